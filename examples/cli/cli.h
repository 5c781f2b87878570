/* cli.h - what the verbs of the `pith` command share.
 */
#ifndef PITH_CLI_H
#define PITH_CLI_H

#include "pith.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, EXIT_FORMAT, EXIT_UNSUPPORTED, EXIT_LIMIT, EXIT_IO, EXIT_INTERRUPTED = 130 };

/* The command line, and what it opens. */
extern struct cli {
    const char *model_path, *prompt, *suffix, *file, *out, *labels, *tokens;
    char **args; /* what is left: texts */
    int n_args;
    int64_t prompt_tokens, new_tokens, threads;
    bool json, echo, no_bos, pieces, quiet;
    pith_options *options;
    pith_model *model;
    pith_session *session;
} cli;

/* ---- ending: each prints to stderr and does not return ---- */

int exit_code(int32_t status);
__attribute__((noreturn)) void leave(int code);
__attribute__((format(printf, 2, 3), noreturn)) void fail(int code, const char *format, ...);

/* Fails unless status is PITH_OK or PITH_END. */
void must(int32_t status, const pith_error *err);

/* The same for work on the file at `path`, which the text names; what is wrong with an argument, or
 * with reading or writing, says so itself. */
void must_take(int32_t status, const char *path, const pith_error *err);
void *must_alloc(size_t size);

extern volatile sig_atomic_t interrupted;
void catch_signals(void); /* those that end a program cancel the session, or the writing */

/* ---- input and output ---- */

double now(void); /* seconds */

/* A file, or stdin for "-", whole; malloc, NUL behind it. */
char *read_all(const char *path, size_t *length);

/* A JSON string, and the inside of one; bytes that are no UTF-8 become U+FFFD. */
void print_json_text(const char *text, int64_t length);
void print_json_part(const char *text, int64_t length);

/* A bar on a terminal, nothing elsewhere. */
void progress(const char *what, int64_t done, int64_t of);

void open_model(void);
void open_session(void);
int64_t number(int32_t key); /* pith_model_number */

/* Ids of a text, malloc. */
int32_t *tokenize(const char *text, int64_t length, int32_t flags, int64_t *n);

/* The texts to work on: the arguments, or the lines of stdin. */
struct texts {
    char *data;
    int64_t *offsets;
    int64_t n, data_room, offsets_room;
};

void add_text(struct texts *t, const char *text, size_t length);
struct texts read_texts(void);
void free_texts(struct texts *t);

/* ---- verbs ---- */

int verb_generate(void);
int verb_complete(void);
int verb_classify(void);
int verb_score(void);
int verb_tokenize(void);
int verb_logits(void);
int verb_perplexity(void);
int verb_bench(void);
int verb_info(void);
int verb_explain(void);
int verb_verify(void);
int verb_quantize(void);
int verb_convert(void);

#endif
