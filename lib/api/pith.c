/* pith.c - the public functions: check arguments once, call a task, fill the error.
 *
 * Nothing is decided here. Options live in base/options.c.
 *
 * Before: include/pith.h. Next: model/model.c.
 */
#include "task/task.h"

static int null_argument(pith_error *err, const char *name)
{
    return pi_fail(err, PITH_E_ARGUMENT, "%s is NULL", name);
}

#define NEED(pointer)                             \
    do {                                          \
        if (!(pointer))                           \
            return null_argument(err, #pointer);  \
    } while (0)

/* Text as pointer + length, -1 for NUL-terminated. */
static int read_text(struct str *out, const char *text, int64_t length, const char *name,
                     pith_error *err)
{
    if (length < -1 || (!text && length != 0))
        return pi_fail(err, PITH_E_ARGUMENT, "%s is NULL or its length %lld", name,
                       (long long)length);
    out->at = text;
    out->n = length < 0 ? strlen(text) : (size_t)length;
    return PITH_OK;
}

/* ---- model ---- */

int32_t pith_model_open(pith_model **out, const char *path, int64_t length,
                        const pith_options *options, pith_error *err)
{
    struct allocator a = pi_options_allocator(options);
    struct source source = { 0 };
    struct str text = { 0 };
    char *z;
    int status;

    NEED(out);
    *out = NULL;
    TRY(read_text(&text, path, length, "path", err));
    if (text.n == 0 || memchr(text.at, 0, text.n))
        return pi_fail(err, PITH_E_ARGUMENT, "the path is empty or holds a NUL byte");
    z = pi_alloc(&a, text.n + 1);
    if (!z)
        return pi_no_memory(err, "the path", text.n + 1);
    memcpy(z, text.at, text.n);
    z[text.n] = 0;
    source.path = z;
    status = pi_model_open(out, &source, options, err);
    pi_free(&a, z, text.n + 1);
    return status;
}

int32_t pith_model_open_memory(pith_model **out, const void *data, int64_t size,
                               const pith_options *options, pith_error *err)
{
    struct source source = { .memory = data, .size = (size_t)size };

    NEED(out);
    *out = NULL;
    NEED(data);
    if (size < 0 || (uint64_t)size > SIZE_MAX)
        return pi_fail(err, PITH_E_ARGUMENT, "size is %lld", (long long)size);
    return pi_model_open(out, &source, options, err);
}

int32_t pith_model_open_fd(pith_model **out, int32_t fd, int64_t offset, int64_t size,
                           const pith_options *options, pith_error *err)
{
    struct source source = { .fd = fd, .offset = (uint64_t)offset, .size = (size_t)size };

    NEED(out);
    *out = NULL;
    if (fd < 0 || offset < 0 || size < 0 || (uint64_t)size > SIZE_MAX)
        return pi_fail(err, PITH_E_ARGUMENT, "fd %d, offset %lld or size %lld is negative", fd,
                       (long long)offset, (long long)size);
    return pi_model_open(out, &source, options, err);
}

void pith_model_retain(pith_model *model)
{
    if (model)
        atomic_fetch_add(&model->references, 1);
}

void pith_model_release(pith_model *model)
{
    if (model && atomic_fetch_sub(&model->references, 1) == 1)
        pi_model_close(model);
}

int64_t pith_model_number(const pith_model *model, int32_t key)
{
    return model ? pi_model_number(model, key) : 0;
}

const char *pith_model_arch(const pith_model *model)
{
    return model ? model->arch_name : "";
}

int64_t pith_model_meta_count(const pith_model *model)
{
    return model ? model->weights.n_metas : 0;
}

/* Appends to a text of that capacity, NUL-terminated, cut where it is full. */
static void append_text(char *to, int64_t capacity, int64_t *n, struct str text)
{
    int64_t room = capacity - 1 - *n, some = pi_min(room, (int64_t)pi_min_size(text.n, 1 << 20));

    if (some > 0) {
        memcpy(to + *n, text.at, (size_t)some);
        *n += some;
    }
    if (capacity > 0)
        to[*n] = 0;
}

int32_t pith_model_meta(const pith_model *model, int64_t i, const char **key,
                        int64_t *key_length, char *value, int64_t capacity, pith_error *err)
{
    const uint64_t shown = 8; /* items of an array */
    const struct meta *m;
    const uint8_t *cursor;
    char number[32];
    int64_t n = 0;

    NEED(key);
    NEED(key_length);
    *key = NULL;
    *key_length = 0;
    NEED(model);
    if (i < 0 || i >= model->weights.n_metas || capacity < 0 || (!value && capacity))
        return pi_fail(err, PITH_E_ARGUMENT, "metadata %lld of %lld, into %lld bytes",
                       (long long)i, (long long)model->weights.n_metas, (long long)capacity);
    m = &model->weights.metas[i];
    *key = m->key.at;
    *key_length = (int64_t)m->key.n;
    cursor = m->at;
    append_text(value, capacity, &n, m->is_array ? STR("[") : STR(""));
    if (m->type == META_TYPES) {
        append_text(value, capacity, &n, STR("null"));
        return PITH_OK;
    }
    for (uint64_t j = 0; j < m->count && (j < shown || !m->is_array); j++) {
        append_text(value, capacity, &n, j ? STR(", ") : STR(""));
        append_text(value, capacity, &n, m->type == META_STR ? pi_meta_next_str(&cursor)
                                       : pi_str(pi_number(pi_meta_number(m, j), number)));
    }
    if (m->is_array) {
        append_text(value, capacity, &n, m->count > shown ? STR(", ...; ") : STR("; "));
        append_text(value, capacity, &n, pi_str(pi_number((double)m->count, number)));
        append_text(value, capacity, &n, STR(" in all]"));
    }
    return PITH_OK;
}

int32_t pith_model_tensor(const pith_model *model, int64_t i, const char **name,
                          int64_t *name_length, const char **type, int64_t *shape,
                          int32_t *dims, pith_error *err)
{
    const struct tensor *t;

    NEED(name);
    NEED(name_length);
    NEED(type);
    NEED(shape);
    NEED(dims);
    *name = *type = NULL;
    *name_length = *dims = 0;
    NEED(model);
    if (i < 0 || i >= model->weights.n_tensors)
        return pi_fail(err, PITH_E_ARGUMENT, "tensor %lld of %lld", (long long)i,
                       (long long)model->weights.n_tensors);
    t = &model->weights.tensors[i];
    *name = t->name.at;
    *name_length = (int64_t)t->name.n;
    *type = pi_dtype(t->dtype).name;
    *dims = t->dims;
    for (int j = 0; j < t->dims; j++)
        shape[j] = t->ne[t->dims - 1 - j];
    return PITH_OK;
}

int32_t pith_model_explain(const pith_model *model, char *text, int64_t capacity,
                           int64_t *length, pith_error *err)
{
    NEED(length);
    *length = 0;
    NEED(model);
    if (!model->arch)
        return pi_fail(err, PITH_E_UNSUPPORTED, "the model is a vocabulary without weights");
    if (capacity < 0 || (!text && capacity))
        return pi_fail(err, PITH_E_ARGUMENT, "text is NULL or capacity %lld",
                       (long long)capacity);
    *length = (int64_t)pi_explain(&model->program, text, (size_t)capacity);
    return PITH_OK;
}

int32_t pith_model_verify(const pith_model *model, pith_error *err)
{
    NEED(model);
    return pi_model_verify(model, err);
}

/* ---- tokens ---- */

/* A flag of a newer header must not be ignored. */
static int check_flags(int32_t flags, pith_error *err)
{
    if (flags & ~(PITH_TOKENIZE_BOS | PITH_TOKENIZE_SPECIAL))
        return pi_fail(err, PITH_E_UNSUPPORTED, "flags %d: some are not known here", flags);
    return PITH_OK;
}

static int need_tokenizer(const pith_model *model, pith_error *err)
{
    NEED(model);
    if (!model->tokenizer)
        return pi_fail(err, PITH_E_UNSUPPORTED, "the model has no vocabulary");
    return PITH_OK;
}

int32_t pith_tokenize(const pith_model *model, const char *text, int64_t length, int32_t flags,
                      int32_t *ids, int64_t capacity, int64_t *count, pith_error *err)
{
    struct id_list list = { 0 };
    struct str s;
    int status;

    NEED(count);
    *count = 0;
    TRY(need_tokenizer(model, err));
    TRY(check_flags(flags, err));
    TRY(read_text(&s, text, length, "text", err));
    if (capacity < 0 || (!ids && capacity))
        return pi_fail(err, PITH_E_ARGUMENT, "ids is NULL or capacity %lld",
                       (long long)capacity);
    list.allocator = model->arena.allocator;
    status = pi_tokenize(model->tokenizer, s,
                         (flags & PITH_TOKENIZE_BOS ? TOKENIZE_ADD_SPECIAL : 0) |
                             (flags & PITH_TOKENIZE_SPECIAL ? TOKENIZE_PARSE_SPECIAL : 0),
                         &list, err);
    if (status == PITH_OK) {
        *count = (int64_t)list.n;
        if (list.n && capacity)
            memcpy(ids, list.ids, pi_min_size(list.n, (size_t)capacity) * sizeof *ids);
    }
    pi_id_list_free(&list);
    return status;
}

int32_t pith_detokenize(const pith_model *model, const int32_t *ids, int64_t count,
                        int32_t flags, char *text, int64_t capacity, int64_t *length,
                        pith_error *err)
{
    bool strip;
    int64_t n = 0;

    NEED(length);
    *length = 0;
    TRY(need_tokenizer(model, err));
    TRY(check_flags(flags, err));
    if (count < 0 || (!ids && count) || capacity < 0 || (!text && capacity))
        return pi_fail(err, PITH_E_ARGUMENT, "%lld ids into %lld bytes: NULL or negative",
                       (long long)count, (long long)capacity);
    strip = pi_tokenizer_strips_space(model->tokenizer);
    for (int64_t i = 0; i < count; i++) {
        struct str piece = pi_token_text(model->tokenizer, ids[i],
                                         (flags & PITH_TOKENIZE_SPECIAL) != 0);

        if (ids[i] < 0 || ids[i] >= pi_tokenizer_size(model->tokenizer))
            return pi_fail(err, PITH_E_ARGUMENT, "id %lld is %d; ids from 0 to %d exist",
                           (long long)i, ids[i], pi_tokenizer_size(model->tokenizer) - 1);
        if (strip && piece.n && !pi_token_is_control(model->tokenizer, ids[i])) {
            size_t cut = piece.at[0] == ' ';

            piece.at += cut;
            piece.n -= cut;
            strip = false;
        }
        if (n < capacity && piece.n)
            memcpy(text + n, piece.at, pi_min_size(piece.n, (size_t)(capacity - n)));
        n += (int64_t)piece.n;
    }
    *length = n;
    return PITH_OK;
}

int32_t pith_token_piece(const pith_model *model, int32_t id, const char **text,
                         int64_t *length, pith_error *err)
{
    struct str piece;

    NEED(text);
    NEED(length);
    *text = NULL;
    *length = 0;
    TRY(need_tokenizer(model, err));
    if (id < 0 || id >= pi_tokenizer_size(model->tokenizer))
        return pi_fail(err, PITH_E_ARGUMENT, "id %d; ids from 0 to %d exist", id,
                       pi_tokenizer_size(model->tokenizer) - 1);
    piece = pi_token_piece(model->tokenizer, id);
    *text = piece.at;
    *length = (int64_t)piece.n;
    return PITH_OK;
}

/* ---- session ---- */

int32_t pith_session_open(pith_session **out, pith_model *model, const pith_options *options,
                          pith_error *err)
{
    NEED(out);
    *out = NULL;
    NEED(model);
    return pi_session_open(out, model, options, err);
}

void pith_session_release(pith_session *session)
{
    if (!session)
        return;
    pi_generate_free(session);
    pi_session_close(session);
}

int64_t pith_session_position(const pith_session *session)
{
    return session ? session->position : 0;
}

int64_t pith_session_capacity(const pith_session *session)
{
    return session ? session->plan.capacity : 0;
}

static int need_ids(const pith_session *session, const int32_t *ids, int64_t count,
                    pith_error *err)
{
    NEED(session);
    if (count < 0 || (!ids && count))
        return pi_fail(err, PITH_E_ARGUMENT, "ids is NULL or count %lld", (long long)count);
    return PITH_OK;
}

/* Tokens fed by hand take the place of the one that generation has drawn but not fed. */
static void drop_pending(pith_session *session, int64_t count)
{
    if (count > 0)
        session->pending = -1;
}

int32_t pith_session_feed(pith_session *session, const int32_t *ids, int64_t count,
                          pith_error *err)
{
    TRY(need_ids(session, ids, count, err));
    TRY(pi_session_feed(session, ids, count, err));
    drop_pending(session, count);
    return PITH_OK;
}

struct logits_copy {
    float *to;
    int64_t vocabulary;
};

static void copy_logits(void *arg, int64_t i, const float *logits)
{
    const struct logits_copy *copy = arg;

    memcpy(copy->to + i * copy->vocabulary, logits, (size_t)copy->vocabulary * sizeof *logits);
}

int32_t pith_session_evaluate(pith_session *session, const int32_t *ids, int64_t count,
                              float *logits, pith_error *err)
{
    struct logits_copy copy = { .to = logits };

    TRY(need_ids(session, ids, count, err));
    NEED(logits);
    copy.vocabulary = session->model->vocabulary;
    TRY(pi_session_evaluate(session, ids, count, copy_logits, &copy, err));
    drop_pending(session, count);
    return PITH_OK;
}

int32_t pith_session_logits(pith_session *session, const float **logits, pith_error *err)
{
    NEED(logits);
    *logits = NULL;
    NEED(session);
    if (!session->has_logits)
        return pi_fail(err, PITH_E_STATE, "no token has been fed since the session was opened, "
                       "rewound or failed");
    *logits = pi_session_logits(session);
    return PITH_OK;
}

int32_t pith_session_rewind(pith_session *session, int64_t position, pith_error *err)
{
    NEED(session);
    if (position < 0 || position > session->position)
        return pi_fail(err, PITH_E_ARGUMENT, "position %lld; 0 to %lld are possible",
                       (long long)position, (long long)session->position);
    pi_session_rewind(session, position);
    return PITH_OK;
}

void pith_session_cancel(pith_session *session)
{
    if (session)
        atomic_store(&session->cancel, 1);
}

/* ---- tasks ---- */

int32_t pith_generate(pith_session *session, const char *prompt, int64_t length,
                      const pith_options *options, pith_error *err)
{
    struct str text;

    NEED(session);
    TRY(read_text(&text, prompt, length, "prompt", err));
    return pi_generate_begin(session, text, options, err);
}

int32_t pith_infill(pith_session *session, const char *prefix, int64_t prefix_length,
                    const char *suffix, int64_t suffix_length, const pith_options *options,
                    pith_error *err)
{
    struct str before, behind;

    NEED(session);
    TRY(read_text(&before, prefix, prefix_length, "prefix", err));
    TRY(read_text(&behind, suffix, suffix_length, "suffix", err));
    return pi_infill_begin(session, before, behind, options, err);
}

int32_t pith_generate_next(pith_session *session, const pith_event **event, pith_error *err)
{
    NEED(event);
    *event = NULL;
    NEED(session);
    return pi_generate_next(session, event, err);
}

void pith_event_text(const pith_event *event, const char **text, int64_t *length)
{
    if (text)
        *text = event ? event->text : "";
    if (length)
        *length = event ? (int64_t)event->n : 0;
}

int32_t pith_event_token(const pith_event *event)
{
    return event ? event->token : -1;
}

double pith_event_logprob(const pith_event *event)
{
    return event ? event->logprob : 0;
}

int32_t pith_event_finish(const pith_event *event)
{
    return event ? event->finish : PITH_FINISH_NONE;
}

/* n >= 1 strings whose offsets never decrease. */
static int read_strings(struct strings *out, const char *data, const int64_t *offsets,
                        int64_t n, const char *name, pith_error *err)
{
    if (n < 1)
        return pi_fail(err, PITH_E_ARGUMENT, "%lld %s are given; one or more are needed",
                       (long long)n, name);
    if (!offsets)
        return pi_fail(err, PITH_E_ARGUMENT, "the offsets of %s are NULL", name);
    for (int64_t i = 0; i < n; i++)
        if (offsets[i] < 0 || offsets[i + 1] < offsets[i])
            return pi_fail(err, PITH_E_ARGUMENT, "%s: offset %lld is %lld, before it %lld",
                           name, (long long)i + 1, (long long)offsets[i + 1],
                           (long long)offsets[i]);
    if (!data && offsets[n] > offsets[0])
        return pi_fail(err, PITH_E_ARGUMENT, "%s is NULL", name);
    *out = (struct strings){ data ? data : "", offsets, n };
    return PITH_OK;
}

int32_t pith_classify(pith_session *session, const char *texts, const int64_t *text_offsets,
                      int64_t n_texts, const char *labels, const int64_t *label_offsets,
                      int64_t n_labels, const pith_options *options, float *probabilities,
                      pith_error *err)
{
    struct strings t, l;

    NEED(session);
    NEED(probabilities);
    TRY(need_tokenizer(session->model, err));
    TRY(read_strings(&t, texts, text_offsets, n_texts, "texts", err));
    TRY(read_strings(&l, labels, label_offsets, n_labels, "labels", err));
    for (int64_t i = 0; i < n_labels; i++)
        if (pi_strings_at(&l, i).n == 0)
            return pi_fail(err, PITH_E_ARGUMENT, "label %lld is empty", (long long)i);
    return pi_classify(session, &t, &l, options, probabilities, err);
}

int32_t pith_score(pith_session *session, const char *prompt, int64_t prompt_length,
                   const char *text, int64_t length, double *logprob, int64_t *tokens,
                   pith_error *err)
{
    struct str before, after;
    int64_t unused;

    NEED(logprob);
    *logprob = 0;
    if (tokens)
        *tokens = 0;
    NEED(session);
    TRY(need_tokenizer(session->model, err));
    TRY(read_text(&before, prompt, prompt_length, "prompt", err));
    TRY(read_text(&after, text, length, "text", err));
    return pi_score(session, before, after, logprob, tokens ? tokens : &unused, err);
}

int32_t pith_score_tokens(pith_session *session, const int32_t *ids, int64_t count,
                          double *logprobs, pith_error *err)
{
    TRY(need_ids(session, ids, count, err));
    NEED(logprobs);
    return pi_score_tokens(session, ids, count, logprobs, err);
}

/* ---- the machine ---- */

int32_t pith_machine_measure(const pith_model *model, int32_t threads, int64_t bytes,
                             double *stream_bytes, double *peak_operations, pith_error *err)
{
    NEED(stream_bytes);
    NEED(peak_operations);
    *stream_bytes = *peak_operations = 0;
    NEED(model);
    if (threads < 0 || threads > PI_MAX_THREADS || bytes < 1 || bytes > (int64_t)1 << 36)
        return pi_fail(err, PITH_E_ARGUMENT, "%d threads or %lld bytes are out of range", threads,
                       (long long)bytes);
    return pi_measure(&model->kernels, &model->arena.allocator,
                      threads ? threads : pi_cpu_count(), bytes, stream_bytes, peak_operations,
                      err);
}
