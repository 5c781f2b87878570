/* pith.h - the whole public API of pith: a stable C ABI, then header-only sugar over it.
 *
 * pith loads a pre-trained model file and generates, classifies and scores text inside your
 * process. Two nouns: a *model* is immutable and shared by any number of threads; a *session*
 * is one timeline of tokens and is used by one thread at a time. Everything else is a function
 * of one of them.
 *
 * Rules that hold for every function:
 *
 *   Status    int32_t: PITH_OK (0), PITH_END (1), or a negative PITH_E_ code. Codes are never
 *             renumbered. Functions that cannot fail return their value or nothing.
 *   Errors    the last parameter, `pith_error *`, is optional (NULL) and is written only on
 *             failure: the code and a text that names the thing and the numbers.
 *   Results   go through out-pointers, which are set to NULL or 0 on failure.
 *   Text      is UTF-8 as pointer + length in bytes; a length of -1 means NUL-terminated.
 *             Any bytes are accepted where text goes into a tokenizer.
 *   Handles   are opaque. What the library hands out is borrowed and stays valid as its
 *             function says; what you pass in is copied if it is kept. Releasing NULL is fine;
 *             handles may be released in any order.
 *   Threads   a model may be used from any thread at once. A session, an options object and an
 *             event belong to one thread at a time. pith_session_cancel() alone may be called
 *             from anywhere, a signal handler included.
 *   Manners   nothing here ends the process, prints, reads the environment, changes locale,
 *             signals or floating-point mode, or keeps global state. Files are untrusted: a broken
 *             one is an error, never a crash.
 *   Changes   functions and constants are only added. Signatures use fixed-width integers, float,
 *             double and pointers alone.
 *
 * Before: examples/generate.c. Next: lib/api/pith.c.
 */
#ifndef PITH_H
#define PITH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(PITH_BUILD) && defined(__GNUC__)
#define PITH_API __attribute__((visibility("default")))
#else
#define PITH_API
#endif

/* ---- version ------------------------------------------------------------------------------ */

#define PITH_VERSION_MAJOR 0
#define PITH_VERSION_MINOR 1
#define PITH_VERSION_PATCH 0
#define PITH_VERSION (PITH_VERSION_MAJOR * 10000 + PITH_VERSION_MINOR * 100 + PITH_VERSION_PATCH)

/* The version of the library that runs, as PITH_VERSION packs it, and as "0.1.0" (static). */
PITH_API int32_t pith_version(void);
PITH_API const char *pith_version_string(void);

/* ---- status ------------------------------------------------------------------------------- */

/*    name               code  meaning */
#define PITH_STATUS_LIST(X)                                                              \
    X(PITH_OK,            0,   "ok")                                                     \
    X(PITH_END,           1,   "nothing more to come")                                   \
    X(PITH_E_ARGUMENT,   -1,   "an argument or option is wrong")                         \
    X(PITH_E_IO,         -2,   "a file cannot be opened, read or written")               \
    X(PITH_E_FORMAT,     -3,   "a model file is broken or contradicts itself")           \
    X(PITH_E_UNSUPPORTED, -4,  "valid, but this library cannot do it")                   \
    X(PITH_E_MEMORY,     -5,   "out of memory")                                          \
    X(PITH_E_LIMIT,      -6,   "more than a stated limit, such as the context length")   \
    X(PITH_E_CANCELLED,  -7,   "cancelled by the caller")                                \
    X(PITH_E_NUMERIC,    -8,   "not-a-number or infinity where a number is needed")      \
    X(PITH_E_STATE,      -9,   "called out of order")

enum pith_status {
#define PITH_X(name, code, meaning) name = code,
    PITH_STATUS_LIST(PITH_X)
#undef PITH_X
    PITH_STATUS_MAX_ = 0x7fffffff
};

/* Why a call failed. 256 bytes for ever; the only struct that crosses the ABI. Caller-owned. */
typedef struct pith_error {
    int32_t code;   /* as returned */
    char text[252]; /* NUL-terminated UTF-8, "" if nothing failed */
} pith_error;

/* "PITH_E_FORMAT" and its meaning, static; "unknown" for a code that does not exist. */
PITH_API const char *pith_status_name(int32_t status);
PITH_API const char *pith_status_meaning(int32_t status);

/* Checks that this header fits the library: pass PITH_VERSION and sizeof(pith_error).
 * PITH_E_UNSUPPORTED if the library is older than the header or of another major version. */
PITH_API int32_t pith_abi_check(int32_t header_version, int64_t sizeof_error, pith_error *err);

/* ---- options ------------------------------------------------------------------------------ */

/* One table is the only home of every option; documentation, the command's flags and the
 * bindings derive from it. An option that was never set has its default. Where a call takes
 * options, it reads those of its scope and ignores the rest.
 *
 *    key                       number name              type scope  min  max      default text */
#define PITH_OPTION_LIST(X)                                                                        \
    X(PITH_OPT_THREADS,         1,  "threads",           I64, SESSION, 0, 512,     0,              \
      "threads that compute, the caller's included; 0: one per processor, fewer for small models") \
    X(PITH_OPT_CONTEXT,         2,  "context",           I64, SESSION, 0, 16777216, 0,             \
      "tokens a session can hold; 0: what the model was trained for, at most 4096")                \
    X(PITH_OPT_BATCH,           3,  "batch",             I64, SESSION, 1, 4096,    512,            \
      "tokens computed together while a prompt is read")                                           \
    X(PITH_OPT_PRECISION,       4,  "precision",         STR, MODEL,   0, 0,       0,              \
      "exact: float32; fast: int8 or bf16 operands; reproducible: as fast, but results do not "    \
      "depend on how many tokens are computed together; auto: exact for F32 files, else fast")     \
    X(PITH_OPT_TIERS,           5,  "tiers",             I64, MODEL,   0, 255,     255,            \
      "mask of instruction sets to use (0 plain C, 1 avx2, 2 avx512, 4 amx, 8 neon, 16 dotprod, "  \
      "32 i8mm, 64 bf16); for tests")   \
    X(PITH_OPT_KV_TYPE,         6,  "kv_type",           STR, MODEL,   0, 0,       0,              \
      "form of keys and values: f32, f16, bf16, q8 (int8, a scale per head and token); auto: "     \
      "f32 where precision is exact, else bf16 where the processor multiplies it, else f16")       \
    X(PITH_OPT_MAX_TOKENS,      16, "max_tokens",        I64, CALL,    0, 16777216, 256,           \
      "most tokens to generate")                                                                   \
    X(PITH_OPT_TEMPERATURE,     17, "temperature",       F64, CALL,    0, 100,     0,              \
      "0: always the most likely token; higher: more varied")                                      \
    X(PITH_OPT_TOP_K,           18, "top_k",             I64, CALL,    0, 16777216, 0,             \
      "sample among the k most likely tokens; 0: among all")                                       \
    X(PITH_OPT_TOP_P,           19, "top_p",             F64, CALL,    0, 1,       1,              \
      "sample among the most likely tokens that together reach this probability")                  \
    X(PITH_OPT_MIN_P,           20, "min_p",             F64, CALL,    0, 1,       0,              \
      "drop tokens less likely than this share of the most likely one")                            \
    X(PITH_OPT_REPEAT_PENALTY,  21, "repeat_penalty",    F64, CALL,    0.01, 100,  1,              \
      "divide positive (multiply negative) logits of recent tokens by this")                       \
    X(PITH_OPT_REPEAT_LAST,     22, "repeat_last",       I64, CALL,    0, 16777216, 64,            \
      "how many recent tokens the penalty looks at")                                               \
    X(PITH_OPT_SEED,            23, "seed",              I64, CALL,    0, 9007199254740991, 0,     \
      "the same seed gives the same text")                                                         \
    X(PITH_OPT_STOP,            24, "stop",              STR, CALL,    0, 0,       0,              \
      "text at which generation ends, not part of the output; set again to add another")           \
    X(PITH_OPT_IGNORE_EOS,      25, "ignore_eos",        I64, CALL,    0, 1,       0,              \
      "1: go on after the model's own end of text")                                                \
    X(PITH_OPT_SPECIAL,         26, "special",           I64, CALL,    0, 1,       0,              \
      "1: text that spells a control token in a prompt becomes that token")                        \
    X(PITH_OPT_TEMPLATE,        32, "template",          STR, CALL,    0, 0,       0,              \
      "classify: prompt with {text} and, at its end, {label}; "                                    \
      "default \"Text: {text}\\nLabel: {label}\"")                                                \
    X(PITH_OPT_EXAMPLE_TEXT,    33, "example_text",      STR, CALL,    0, 0,       0,              \
      "classify: text of an example shown before the question; set again to add another")          \
    X(PITH_OPT_EXAMPLE_LABEL,   34, "example_label",     STR, CALL,    0, 0,       0,              \
      "classify: label of the example text set in the same place")                                 \
    X(PITH_OPT_CONTENT_FREE,    35, "content_free",      STR, CALL,    0, 0,       0,              \
      "classify: text without content to calibrate against; default \"N/A\", empty: no calibration")

enum pith_option {
#define PITH_X(key, number, name, type, scope, min, max, def, text) key = number,
    PITH_OPTION_LIST(PITH_X)
#undef PITH_X
    PITH_OPT_MAX_ = 0x7fffffff
};

enum pith_option_type { PITH_TYPE_I64 = 1, PITH_TYPE_F64 = 2, PITH_TYPE_STR = 3 };
enum pith_option_scope { PITH_SCOPE_MODEL = 1, PITH_SCOPE_SESSION = 2, PITH_SCOPE_CALL = 3 };

typedef struct pith_options pith_options;

PITH_API int32_t pith_options_create(pith_options **out, pith_error *err);
PITH_API void pith_options_release(pith_options *options);

/* Sets one option by key. PITH_E_UNSUPPORTED for an unknown key, PITH_E_ARGUMENT for a value of
 * another type, out of range, or NaN. Integers are accepted where a double is meant. Strings are
 * copied; those that may repeat (stop, example_*) are added, all others replaced. */
PITH_API int32_t pith_options_set_i64(pith_options *options, int32_t key, int64_t value,
                                      pith_error *err);
PITH_API int32_t pith_options_set_f64(pith_options *options, int32_t key, double value,
                                      pith_error *err);
PITH_API int32_t pith_options_set_str(pith_options *options, int32_t key, const char *text,
                                      int64_t length, pith_error *err);

/* The string twin: name and value as text ("temperature", "0.7"). */
PITH_API int32_t pith_options_set(pith_options *options, const char *name, const char *value,
                                  pith_error *err);

/* The table itself: facts of the i-th option, 0 <= i < pith_option_count(). Any out-pointer may
 * be NULL; names and texts are static. */
PITH_API int32_t pith_option_count(void);
PITH_API int32_t pith_option_info(int32_t i, int32_t *key, const char **name, int32_t *type,
                                  int32_t *scope, double *min, double *max, double *def,
                                  const char **text, pith_error *err);

/* The allocator of a model and of its sessions: set on the options that open the model, which
 * copies it. alloc gives `size` bytes aligned to 64, or NULL; free gets the same size back.
 * Both may be called from any thread that uses the model. user is handed through. */
typedef void *pith_alloc_fn(void *user, int64_t size);
typedef void pith_free_fn(void *user, void *block, int64_t size);
PITH_API int32_t pith_options_set_allocator(pith_options *options, pith_alloc_fn *alloc,
                                            pith_free_fn *free, void *user, pith_error *err);

/* ---- model -------------------------------------------------------------------------------- */

typedef struct pith_model pith_model;

/* Opens a GGUF file (the first of a split opens them all), or a Hugging Face folder: config.json,
 * safetensors and tokenizer.json as downloaded. Weights are memory-mapped and used
 * where they lie, so this takes milliseconds; the file must stay unchanged while it is open. A file
 * that holds only a vocabulary opens too, for tokenizing. options may be NULL.
 * Fails with PITH_E_IO, _FORMAT, _UNSUPPORTED (an architecture, tensor type or tokenizer that is
 * named), _MEMORY or _ARGUMENT. */
PITH_API int32_t pith_model_open(pith_model **out, const char *path, int64_t length,
                                 const pith_options *options, pith_error *err);

/* The same from memory, which must stay readable and unchanged until the model is gone; its
 * alignment does not matter. And from `size` bytes at `offset` of an open file
 * (size 0: to its end); the descriptor stays yours. */
PITH_API int32_t pith_model_open_memory(pith_model **out, const void *data, int64_t size,
                                        const pith_options *options, pith_error *err);
PITH_API int32_t pith_model_open_fd(pith_model **out, int32_t fd, int64_t offset, int64_t size,
                                    const pith_options *options, pith_error *err);

/* Models are counted: a session holds its model. Both may be called from any thread. */
PITH_API void pith_model_retain(pith_model *model);
PITH_API void pith_model_release(pith_model *model);

/* Numbers of a model; 0 where a model has none (a vocabulary-only file has no layers), and for
 * an unknown key. */
enum pith_model_number {
    PITH_MODEL_VOCABULARY = 1, /* tokens */
    PITH_MODEL_CONTEXT = 2,    /* tokens it was trained for */
    PITH_MODEL_WIDTH = 3,      /* of the hidden state */
    PITH_MODEL_LAYERS = 4,
    PITH_MODEL_PARAMETERS = 5, /* weights in all tensors */
    PITH_MODEL_BYTES = 6,      /* of all tensors */
    PITH_MODEL_TENSORS = 7,
    PITH_MODEL_BOS = 8,        /* token ids; -1 where there is none */
    PITH_MODEL_EOS = 9,
    PITH_MODEL_TIERS = 10,     /* instruction sets in use, as in the option "tiers" */
    PITH_MODEL_EXACT = 11,     /* 1 if it computes in float32 throughout */
    PITH_MODEL_TOKEN_BYTES = 12,       /* weights read for a token, the head's not counted */
    PITH_MODEL_TOKEN_OPERATIONS = 13,  /* of its matrix products; a multiply-add counts two */
    PITH_MODEL_OUTPUT_BYTES = 14,      /* the same for the head: once per asked-for output */
    PITH_MODEL_OUTPUT_OPERATIONS = 15,
    PITH_MODEL_STATE_BYTES = 16        /* a session keeps for each position */
};
PITH_API int64_t pith_model_number(const pith_model *model, int32_t key);

/* The architecture's name, as the file spells it; "" for a vocabulary-only file without one.
 * Borrowed from the model. */
PITH_API const char *pith_model_arch(const pith_model *model);

/* The file's metadata, 0 <= i < pith_model_meta_count(): the key, borrowed from the model, and the
 * value as text into your buffer (arrays abbreviated), NUL-terminated and cut to capacity. */
PITH_API int64_t pith_model_meta_count(const pith_model *model);
PITH_API int32_t pith_model_meta(const pith_model *model, int64_t i, const char **key,
                                 int64_t *key_length, char *value, int64_t capacity,
                                 pith_error *err);

/* The tensors, 0 <= i < PITH_MODEL_TENSORS: name (borrowed from the model), type name (static), and
 * shape, outermost dimension first, into shape[4]; dims says how many. */
PITH_API int32_t pith_model_tensor(const pith_model *model, int64_t i, const char **name,
                                   int64_t *name_length, const char **type, int64_t *shape,
                                   int32_t *dims, pith_error *err);

/* The program that the model runs, as text, one step a line. Writes at most `capacity` bytes with
 * a final NUL; *length gets the whole text's length without it. Call with capacity 0 to ask. */
PITH_API int32_t pith_model_explain(const pith_model *model, char *text, int64_t capacity,
                                    int64_t *length, pith_error *err);

/* Reads every weight once: PITH_E_NUMERIC names the first tensor that holds a NaN or infinity.
 * Tensors of parts that the model does not use, such as a vision tower, are not read. */
PITH_API int32_t pith_model_verify(const pith_model *model, pith_error *err);

/* ---- tokens ------------------------------------------------------------------------------- */

enum pith_tokenize_flags {
    PITH_TOKENIZE_PLAIN = 0,   /* the text's own tokens only */
    PITH_TOKENIZE_BOS = 1,     /* add the special tokens that the model expects around a text */
    PITH_TOKENIZE_SPECIAL = 2  /* text that spells a control token becomes that token */
};

/* The ids of a text. Writes at most `capacity` ids; *count gets the number needed, so call with
 * capacity 0 to ask. PITH_E_UNSUPPORTED if the model has no vocabulary. */
PITH_API int32_t pith_tokenize(const pith_model *model, const char *text, int64_t length,
                               int32_t flags, int32_t *ids, int64_t capacity, int64_t *count,
                               pith_error *err);

/* The text of ids, likewise in bytes (no NUL is added). Control tokens give nothing unless flags
 * has PITH_TOKENIZE_SPECIAL. PITH_E_ARGUMENT names an id outside the vocabulary. */
PITH_API int32_t pith_detokenize(const pith_model *model, const int32_t *ids, int64_t count,
                                 int32_t flags, char *text, int64_t capacity, int64_t *length,
                                 pith_error *err);

/* A token as the vocabulary spells it, borrowed from the model. */
PITH_API int32_t pith_token_piece(const pith_model *model, int32_t id, const char **text,
                                  int64_t *length, pith_error *err);

/* ---- session ------------------------------------------------------------------------------ */

typedef struct pith_session pith_session;

/* A timeline of tokens with its memory of them. All memory is taken here: nothing that
 * follows allocates per token. Threads start on first use and end with the session.
 * Reads options of scope SESSION. PITH_E_UNSUPPORTED for a vocabulary-only model. */
PITH_API int32_t pith_session_open(pith_session **out, pith_model *model,
                                   const pith_options *options, pith_error *err);
PITH_API void pith_session_release(pith_session *session);

/* Tokens held, and how many it can hold. */
PITH_API int64_t pith_session_position(const pith_session *session);
PITH_API int64_t pith_session_capacity(const pith_session *session);

/* Appends tokens and computes what follows them: the logits of the last one. PITH_E_ARGUMENT
 * names an id outside the vocabulary; PITH_E_LIMIT gives both numbers when the context is
 * too short. On failure, cancellation included, the session holds the tokens that it held before,
 * but no logits. The token that a generation drew last is not held yet: feeding by hand replaces
 * it, another generation begins with it. */
PITH_API int32_t pith_session_feed(pith_session *session, const int32_t *ids, int64_t count,
                                   pith_error *err);

/* The same, and writes the logits of every position: logits[count][vocabulary]. */
PITH_API int32_t pith_session_evaluate(pith_session *session, const int32_t *ids, int64_t count,
                                       float *logits, pith_error *err);

/* The logits after the last token, PITH_MODEL_VOCABULARY floats, valid until the next call on the
 * session. PITH_E_STATE before the first feed, after a rewind that forgot something, and after
 * a call that failed. */
PITH_API int32_t pith_session_logits(pith_session *session, const float **logits,
                                     pith_error *err);

/* Forgets all tokens from `position` on, 0 <= position <= pith_session_position(). */
PITH_API int32_t pith_session_rewind(pith_session *session, int64_t position, pith_error *err);

/* Makes the call now running in the session, or else the next one, return PITH_E_CANCELLED
 * within a layer's time. One atomic store: callable from any thread and from a signal handler. */
PITH_API void pith_session_cancel(pith_session *session);

/* ---- generate ----------------------------------------------------------------------------- */

/* Begins to continue a text. The prompt is tokenized (special tokens are added at the session's
 * start only) and fed; sampling follows the CALL options. An empty prompt continues what the
 * session holds, or starts from BOS. */
PITH_API int32_t pith_generate(pith_session *session, const char *prompt, int64_t length,
                               const pith_options *options, pith_error *err);

/* Begins to write what stands between a prefix and a suffix, with the tokens and in the order that
 * the model was taught (code models; fill in the middle). It ends where the model would go on with
 * another part too. PITH_E_UNSUPPORTED if the vocabulary has no tokens for that. */
PITH_API int32_t pith_infill(pith_session *session, const char *prefix, int64_t prefix_length,
                             const char *suffix, int64_t suffix_length,
                             const pith_options *options, pith_error *err);

enum pith_finish {
    PITH_FINISH_NONE = 0,   /* more to come */
    PITH_FINISH_EOS = 1,    /* the model ended the text */
    PITH_FINISH_STOP = 2,   /* a stop string was met */
    PITH_FINISH_LENGTH = 3, /* max_tokens reached */
    PITH_FINISH_CONTEXT = 4 /* the session is full */
};

typedef struct pith_event pith_event;

/* The next event, one per token; the last one says why generation ended, then PITH_END.
 * The event lives in the session until the next call on it. */
PITH_API int32_t pith_generate_next(pith_session *session, const pith_event **event,
                                    pith_error *err);

/* An event's facts. Text always ends on a code-point boundary and may be empty while a
 * character, or what may become a stop string, is incomplete. The token is -1 in a last event
 * that brings none; the log-probability is the model's own, before sampling options. */
PITH_API void pith_event_text(const pith_event *event, const char **text, int64_t *length);
PITH_API int32_t pith_event_token(const pith_event *event);
PITH_API double pith_event_logprob(const pith_event *event);
PITH_API int32_t pith_event_finish(const pith_event *event);

/* ---- classify and score ------------------------------------------------------------------- */

/* The probability of each label for each text, by the likelihood of the label as a continuation
 * of a prompt (options template, example_*), calibrated against a text without content (Zhao
 * et al. 2021): softmax over labels of log p(label | text) - log p(label | content-free).
 *
 * Texts and labels are each one UTF-8 buffer plus offsets (Arrow's string layout): item i is
 * bytes offsets[i] to offsets[i + 1]. No two labels may be the same.
 * probabilities[n_texts][n_labels] sum to one per text.
 * The prompt's common beginning is computed once. The session is empty afterwards. */
PITH_API int32_t pith_classify(pith_session *session, const char *texts,
                               const int64_t *text_offsets, int64_t n_texts, const char *labels,
                               const int64_t *label_offsets, int64_t n_labels,
                               const pith_options *options, float *probabilities,
                               pith_error *err);

/* The natural log-probability of a continuation after a prompt, and its number of tokens. The
 * tokens are those of the joined text that lie behind the prompt's own. Both may be empty;
 * special tokens are added before the prompt. The session is empty afterwards. */
PITH_API int32_t pith_score(pith_session *session, const char *prompt, int64_t prompt_length,
                            const char *text, int64_t length, double *logprob, int64_t *tokens,
                            pith_error *err);

/* The natural log-probability of each token but the first given those before it:
 * logprobs[count - 1]. Starts from an empty session and leaves it empty. */
PITH_API int32_t pith_score_tokens(pith_session *session, const int32_t *ids, int64_t count,
                                   double *logprobs, pith_error *err);

/* ---- files -------------------------------------------------------------------------------- */

/* Called on the caller's thread, now and then and at the end (done == total); returns 0 to go on,
 * anything else to cancel. */
typedef int32_t pith_progress_fn(void *user, int64_t done, int64_t total);

/* Writes the model file `in`, whose weights are F32, F16 or BF16, to the GGUF file `out` in another
 * number format. `type` is one of the names that users know: F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_K_S
 * Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 IQ4_NL Q3_K_L Q3_K_M Q3_K_S Q2_K Q2_K_S (Q5_K, Q4_K and Q3_K
 * mean the M). As in other tools, some tensors of a mix get more bits than its name says, vectors
 * become F32, and rows that do not divide into a format's blocks get the next one that fits. All
 * metadata is kept; general.file_type and general.quantization_version are set.
 * `out` appears when it is complete and not before; on failure nothing is left behind. A GGUF or
 * empty file that stands there already is replaced; one that is read here, or any other file, is
 * refused with PITH_E_ARGUMENT. Reads the option "threads", on which the result does not depend.
 * progress may be NULL; it is told bytes of the input. Memory needed does not grow with the file.
 * PITH_E_UNSUPPORTED names a tensor that is quantised already; PITH_E_NUMERIC one that holds a
 * value that is no finite number (those that stay as they are are looked at too) or too large for
 * the format; PITH_E_IO a path that cannot be read or written; PITH_E_CANCELLED if progress said
 * so. */
PITH_API int32_t pith_quantize(const char *in, int64_t in_length, const char *out,
                               int64_t out_length, const char *type, const pith_options *options,
                               pith_progress_fn *progress, void *user, pith_error *err);

/* Writes a Hugging Face folder (config.json, safetensors, tokenizer.json) to the GGUF file `out`,
 * with the names, keys, order of rows and tokenizer that GGUF's readers expect, so that other
 * programs can use it. `type` is one of those of pith_quantize, or NULL: as stored. The rules of
 * pith_quantize for `out`, threads, progress (bytes of the output) and memory hold here too.
 * PITH_E_UNSUPPORTED names what a GGUF file cannot carry: an architecture, a number of config.json
 * that its readers take to be another, a weight without a place, a tokenizer of another kind, a
 * folder that is quantised already. What it fails on otherwise is as for pith_model_open and
 * pith_quantize. */
PITH_API int32_t pith_convert(const char *in, int64_t in_length, const char *out,
                              int64_t out_length, const char *type, const pith_options *options,
                              pith_progress_fn *progress, void *user, pith_error *err);

/* What pith_quantize would do, without doing it: tensors in the file, how many change their
 * format, how many of them fall back to another one than the type wants, and the bytes of all
 * tensors before and after. Any out-pointer may be NULL. */
PITH_API int32_t pith_quantize_plan(const char *in, int64_t in_length, const char *type,
                                    const pith_options *options, int64_t *tensors,
                                    int64_t *converted, int64_t *fallbacks, int64_t *in_bytes,
                                    int64_t *out_bytes, pith_error *err);

/* ---- the machine -------------------------------------------------------------------------- */

/* This machine's own ceilings with that many threads and the model's instruction sets: bytes per
 * second of a plain streaming read of a buffer of `bytes`, and operations per second of the
 * widest multiply-add on registers. `bytes`, at most 64 GiB, are taken from the model's allocator.
 * Takes about a second; for benchmarks. */
PITH_API int32_t pith_machine_measure(const pith_model *model, int32_t threads, int64_t bytes,
                                      double *stream_bytes, double *peak_operations,
                                      pith_error *err);

/* ---- sugar: inline, adds no symbol -------------------------------------------------------- */

/* Options of a call as a struct: pith_generate_with(s, "Once", (struct pith_sampling){
 * .max_tokens = 64, .temperature = 0.8 }, &err). Fields left zero keep their defaults. */
struct pith_sampling {
    int64_t max_tokens, top_k, seed, repeat_last;
    double temperature, top_p, min_p, repeat_penalty;
    const char *stop; /* one stop string, or NULL */
};

static inline int32_t pith_generate_with(pith_session *session, const char *prompt,
                                         struct pith_sampling with, pith_error *err)
{
    pith_options *o;
    int32_t status = pith_options_create(&o, err);

    if (status == PITH_OK && with.max_tokens)
        status = pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, with.max_tokens, err);
    if (status == PITH_OK && with.top_k)
        status = pith_options_set_i64(o, PITH_OPT_TOP_K, with.top_k, err);
    if (status == PITH_OK && with.seed)
        status = pith_options_set_i64(o, PITH_OPT_SEED, with.seed, err);
    if (status == PITH_OK && with.repeat_last)
        status = pith_options_set_i64(o, PITH_OPT_REPEAT_LAST, with.repeat_last, err);
    if (status == PITH_OK && with.temperature != 0)
        status = pith_options_set_f64(o, PITH_OPT_TEMPERATURE, with.temperature, err);
    if (status == PITH_OK && with.top_p != 0)
        status = pith_options_set_f64(o, PITH_OPT_TOP_P, with.top_p, err);
    if (status == PITH_OK && with.min_p != 0)
        status = pith_options_set_f64(o, PITH_OPT_MIN_P, with.min_p, err);
    if (status == PITH_OK && with.repeat_penalty != 0)
        status = pith_options_set_f64(o, PITH_OPT_REPEAT_PENALTY, with.repeat_penalty, err);
    if (status == PITH_OK && with.stop)
        status = pith_options_set_str(o, PITH_OPT_STOP, with.stop, -1, err);
    if (status == PITH_OK)
        status = pith_generate(session, prompt, -1, o, err);
    pith_options_release(o);
    return status;
}

/* Hands every piece of text to a callback, on this thread; it returns 0 to go on. */
typedef int32_t pith_text_fn(void *user, const char *text, int64_t length);

static inline int32_t pith_generate_each(pith_session *session, pith_text_fn *each, void *user,
                                         pith_error *err)
{
    const pith_event *event;
    int32_t status;

    while ((status = pith_generate_next(session, &event, err)) == PITH_OK) {
        const char *text;
        int64_t length;

        pith_event_text(event, &text, &length);
        if (length > 0 && each(user, text, length) != 0)
            return PITH_OK;
    }
    return status == PITH_END ? (int32_t)PITH_OK : status;
}

#ifdef __cplusplus
}
#endif

#endif
