/* regex.c - runs compiled regular expressions; see regex.h. Before: regex_parse.c.
 *
 * Backtracking with a stack of frames in the heap. Whether a branch at a place fails depends on
 * nothing else, so once a search takes long, branches that were tried are remembered for the
 * whole text, which bounds the time by its length. What lies on the way to a match has not failed
 * and is forgotten again; within a look-ahead it is remembered as good.
 */
#include "regex.h"

#include "unicode.h"

enum frame_kind { FRAME_SPLIT, FRAME_STAR, FRAME_LOOK, FRAME_ATOMIC };

struct regex_frame {
    uint32_t pc, at, low; /* low: of a star, the least place it may end at */
    uint32_t trail;       /* length of the trail before */
    uint32_t outer;       /* of look-aheads and atomic groups: the one around, + 1 */
    uint32_t kind;
};

struct regex_trail { /* branch `branch` at the places low to high is on the current way */
    int32_t branch;
    uint32_t low, high;
};

#define TEXT_MAX ((size_t)1 << 30)
#define MEMO_BYTES_MAX ((size_t)1 << 28)
#define STEPS_PER_BYTE 64   /* more than that, and branches are remembered */
#define STEPS_PER_PLACE 64  /* more than that for each instruction and byte is refused */

/* Outside brackets Oniguruma takes \w and \b below U+0100 from a table that has more numbers. */
static bool is_word_code(uint32_t c, bool bare)
{
    return pi_unicode_is_word(c) ||
           (bare && (c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE)));
}

static bool item_has(const struct regex *re, const struct regex_item *item, uint32_t c)
{
    bool has = false;

    switch ((enum regex_kind)item->kind) {
    case SET_RANGE: has = c >= item->a && c <= item->b; break;
    case SET_CLASS: has = pi_unicode_class(c) & item->a; break;
    case SET_SCRIPT: has = pi_unicode_script(c) == (int)item->a; break;
    case SET_WORD: has = is_word_code(c, item->a != 0); break;
    case SET_SET: has = pi_regex_set_has(re, (int32_t)item->a, c); break;
    }
    return has != item->negated;
}

static bool items_have(const struct regex *re, const struct regex_set *set, uint32_t c)
{
    for (int32_t i = 0; i < set->n; i++)
        if (item_has(re, &re->items[set->first + i], c))
            return true;
    return false;
}

/* Whether a set has some code point of the same lowercase. */
static bool folded_has(const struct regex *re, const struct regex_set *set, uint32_t c)
{
    uint32_t lower = c == 0x17F ? 's' : c == 0x212A ? 'k' : pi_unicode_lower(c);

    if (items_have(re, set, c) || items_have(re, set, lower))
        return true;
    if (lower < 0x80)
        return (lower >= 'a' && lower <= 'z' && items_have(re, set, lower - 32)) ||
               (lower == 's' && items_have(re, set, 0x17F)) ||
               (lower == 'k' && items_have(re, set, 0x212A));
    return items_have(re, set, pi_unicode_upper(lower));
}

bool pi_regex_set_has(const struct regex *re, int32_t index, uint32_t code)
{
    const struct regex_set *set = &re->sets[index];
    bool has;

    if (code < 0x80)
        return set->ascii[code / 32] >> code % 32 & 1;
    code &= ~0x40000000u; /* regex_parse.c, before the table is made */
    has = set->folded ? folded_has(re, set, code) : items_have(re, set, code);
    return (has && (set->also < 0 || pi_regex_set_has(re, set->also, code))) != set->negated;
}

void pi_regex_start(struct regex_run *run, const struct regex *re, struct str text)
{
    run->re = re;
    run->text = text;
    run->at = 0;
    run->last = SIZE_MAX;
    run->steps = 0;
    run->slow = false;
}

void pi_regex_free(struct regex_run *run)
{
    pi_free(run->allocator, run->frames, run->frames_capacity * sizeof *run->frames);
    pi_free(run->allocator, run->trail, run->trail_capacity * sizeof *run->trail);
    pi_free(run->allocator, run->memo, run->memo_words * sizeof *run->memo);
    *run = (struct regex_run){ .allocator = run->allocator };
}

/* A block of twice as many items, with the old ones. */
static int grow_items(const struct allocator *a, void **items, size_t *capacity, size_t size,
                      pith_error *err)
{
    size_t more = *capacity ? *capacity * 2 : 64;
    void *block = pi_alloc(a, more * size);

    if (!block)
        return pi_no_memory(err, "a regular expression", more * size);
    if (*capacity)
        memcpy(block, *items, *capacity * size);
    pi_free(a, *items, *capacity * size);
    *items = block;
    *capacity = more;
    return PITH_OK;
}

static int push_frame(struct regex_run *run, struct regex_frame frame, pith_error *err)
{
    if (run->n_frames == run->frames_capacity) {
        void *frames = run->frames;

        TRY(grow_items(run->allocator, &frames, &run->frames_capacity, sizeof frame, err));
        run->frames = frames;
    }
    frame.trail = (uint32_t)run->n_trail;
    run->frames[run->n_frames++] = frame;
    return PITH_OK;
}

/* ---- what is remembered; nothing while the search is short ---- */

static size_t memo_bit(const struct regex_run *run, int32_t branch, size_t at)
{
    return ((size_t)branch * (run->text.n + 1) + at) * 2;
}

/* 0: new; 1: tried; 3: good. */
static unsigned memo_get(const struct regex_run *run, int32_t branch, size_t at)
{
    size_t bit = memo_bit(run, branch, at);

    return run->slow ? (unsigned)(run->memo[bit / 64] >> bit % 64 & 3) : 0;
}

static void memo_set(struct regex_run *run, int32_t branch, size_t at, unsigned value)
{
    size_t bit = memo_bit(run, branch, at);

    if (run->slow)
        run->memo[bit / 64] = (run->memo[bit / 64] & ~((uint64_t)3 << bit % 64)) |
                              (uint64_t)value << bit % 64;
}

static int push_trail(struct regex_run *run, int32_t branch, size_t low, size_t high,
                      pith_error *err)
{
    if (!run->slow)
        return PITH_OK;
    if (run->n_trail == run->trail_capacity) {
        void *trail = run->trail;

        TRY(grow_items(run->allocator, &trail, &run->trail_capacity, sizeof *run->trail, err));
        run->trail = trail;
    }
    run->trail[run->n_trail++] = (struct regex_trail){ branch, (uint32_t)low, (uint32_t)high };
    return PITH_OK;
}

/* Gives what was on the way since the trail had that length another value. */
static void settle_trail(struct regex_run *run, size_t from, unsigned value)
{
    for (size_t i = from; i < run->n_trail; i++)
        for (size_t at = run->trail[i].low; at <= run->trail[i].high; at++)
            memo_set(run, run->trail[i].branch, at, value);
    run->n_trail = from;
}

static int start_memo(struct regex_run *run, pith_error *err)
{
    size_t bits, words;

    if (!pi_mul_size((size_t)run->re->n_branches * 2, run->text.n + 1, &bits) ||
        bits / 8 > MEMO_BYTES_MAX)
        return pi_fail(err, PITH_E_LIMIT, "a regular expression with %d branches takes too long "
                       "on %zu bytes of text", run->re->n_branches, run->text.n);
    words = bits / 64 + 1;
    if (words > run->memo_words) {
        pi_free(run->allocator, run->memo, run->memo_words * sizeof *run->memo);
        run->memo_words = words;
        run->memo = pi_alloc(run->allocator, words * sizeof *run->memo);
        if (!run->memo)
            return pi_no_memory(err, "a regular expression", words * sizeof *run->memo);
    }
    memset(run->memo, 0, words * sizeof *run->memo);
    run->slow = true;
    return PITH_OK;
}

/* ---- one attempt ---- */

struct attempt {
    uint32_t pc;
    size_t at;
    uint32_t outer; /* the innermost look-ahead or atomic group, as an index of frames, + 1 */
    bool failed;
};

static uint32_t code_before(const struct regex_run *run, size_t at)
{
    const char *p = run->text.at + at;
    int n;

    /* At most three bytes follow the first of a code point. */
    for (size_t back = 2; back <= 4 && back <= at; back++) {
        uint32_t code = pi_utf8_next(p - back, run->text.at + run->text.n, &n);

        if (!(code & PI_BAD_UTF8) && (size_t)n == back)
            return code;
    }
    return pi_utf8_next(p - 1, run->text.at + run->text.n, &n);
}

static size_t place_before(const struct regex_run *run, size_t at)
{
    char spelled[4];
    uint32_t code = code_before(run, at);

    return at - (code & PI_BAD_UTF8 ? 1 : (size_t)pi_utf8_put(code, spelled));
}

static bool place_holds(const struct regex_run *run, enum regex_place place, size_t at)
{
    const char *text = run->text.at;
    size_t n = run->text.n;
    bool before, behind;
    int length;

    switch (place) {
    case TEXT_START: return at == 0;
    case TEXT_END: return at == n;
    case TEXT_END_LINE: return at == n || (at + 1 == n && text[at] == '\n');
    case LINE_START: return at == 0 || (text[at - 1] == '\n' && at < n);
    case LINE_END: return at == n || text[at] == '\n';
    case WORD_EDGE: case WORD_INSIDE: break;
    }
    before = at > 0 && is_word_code(code_before(run, at), true);
    behind = at < n && is_word_code(pi_utf8_next(text + at, text + n, &length), true);
    return (before != behind) == (place == WORD_EDGE);
}

/* Moves behind one code point of the set, if it stands at `at`. */
static bool step_set(const struct regex_run *run, int32_t set, size_t *at)
{
    uint32_t code;
    int n;

    if (*at == run->text.n)
        return false;
    code = pi_utf8_next(run->text.at + *at, run->text.at + run->text.n, &n);
    if (!pi_regex_set_has(run->re, set, code))
        return false;
    *at += (size_t)n;
    return true;
}

/* The end of a look-ahead or atomic group: it has matched. */
static void close_inner(struct regex_run *run, struct attempt *a)
{
    struct regex_frame f = run->frames[a->outer - 1];
    const struct regex_inst *inst = &run->re->code[f.pc];

    settle_trail(run, f.trail, f.kind == FRAME_LOOK ? 3 : 0);
    run->n_frames = a->outer - 1;
    a->outer = f.outer;
    if (f.kind == FRAME_ATOMIC) {
        a->pc++;
        return;
    }
    a->at = f.at;
    a->pc = f.pc + (uint32_t)inst->x;
    a->failed = inst->y != 0; /* it must not match */
}

/* A star at a.at: runs as far as it may, and leaves a frame for every other end. */
static int run_star(struct regex_run *run, struct attempt *a, pith_error *err)
{
    const struct regex_inst *inst = &run->re->code[a->pc];
    size_t low = a->at, high = a->at;
    uint32_t frame_pc = a->pc;

    if (inst->y == POSSESSIVE) {
        while (step_set(run, inst->x, &a->at))
            run->steps++;
        a->pc++;
        return PITH_OK;
    }
    memo_set(run, inst->branch, low, 1);
    for (size_t next = high; inst->y == GREEDY && step_set(run, inst->x, &next); high = next) {
        unsigned known = memo_get(run, inst->branch, next);

        run->steps++;
        if (known == 3) {
            close_inner(run, a);
            return PITH_OK;
        }
        if (known)
            break; /* all ends from there on were tried */
        memo_set(run, inst->branch, next, 1);
    }
    a->pc++;
    a->at = high;
    if (inst->y == LAZY || high > low)
        TRY(push_frame(run, (struct regex_frame){ .pc = frame_pc, .at = (uint32_t)high,
                                                  .low = (uint32_t)low, .outer = a->outer,
                                                  .kind = FRAME_STAR }, err));
    return push_trail(run, inst->branch, low, high, err);
}

/* Goes on with the next best end of the star of the top frame, if there is one. */
static int resume_star(struct regex_run *run, struct attempt *a, pith_error *err)
{
    struct regex_frame *f = &run->frames[run->n_frames - 1];
    const struct regex_inst *inst = &run->re->code[f->pc];
    size_t at = f->at;
    unsigned known = 0;

    run->n_trail = f->trail;
    *a = (struct attempt){ .pc = f->pc + 1, .at = at, .outer = f->outer, .failed = true };
    if (inst->y == LAZY) {
        if (step_set(run, inst->x, &at))
            known = memo_get(run, inst->branch, at);
        if (at == f->at || known) {
            run->n_frames--;
            if (known == 3)
                close_inner(run, a);
            return PITH_OK;
        }
        memo_set(run, inst->branch, at, 1);
    } else {
        at = place_before(run, at);
        run->n_frames -= at == f->low;
    }
    f->at = (uint32_t)at;
    a->at = at;
    a->failed = false;
    return push_trail(run, inst->branch, f->low, at, err);
}

/* Takes the newest way that is left; a->failed stays if there is none. */
static int back_track(struct regex_run *run, struct attempt *a, pith_error *err)
{
    while (a->failed && run->n_frames) {
        struct regex_frame f = run->frames[run->n_frames - 1];
        const struct regex_inst *inst = &run->re->code[f.pc];

        run->steps++;
        if (f.kind == FRAME_STAR) {
            TRY(resume_star(run, a, err));
            continue;
        }
        run->n_frames--;
        run->n_trail = f.trail;
        if (f.kind == FRAME_SPLIT) {
            *a = (struct attempt){ f.pc + (uint32_t)inst->y, f.at, f.outer, false };
            TRY(push_trail(run, inst->branch, f.at, f.at, err));
        } else if (f.kind == FRAME_LOOK && inst->y) { /* it must not match, and does not */
            *a = (struct attempt){ f.pc + (uint32_t)inst->x, f.at, f.outer, false };
        }
    }
    return PITH_OK;
}

/* Whether a branch was tried here before; within a look-ahead that may settle it. */
static bool known_branch(struct regex_run *run, struct attempt *a, int32_t branch)
{
    unsigned known = memo_get(run, branch, a->at);

    if (known == 3)
        close_inner(run, a);
    else if (known)
        a->failed = true;
    return known != 0;
}

/* One instruction that may branch. */
static int step_branch(struct regex_run *run, struct attempt *a, pith_error *err)
{
    const struct regex_inst *inst = &run->re->code[a->pc];
    struct regex_frame frame = { .pc = a->pc, .at = (uint32_t)a->at, .outer = a->outer };

    if (inst->op == RE_LOOK || inst->op == RE_ATOMIC) {
        frame.kind = inst->op == RE_LOOK ? FRAME_LOOK : FRAME_ATOMIC;
        TRY(push_frame(run, frame, err));
        a->outer = (uint32_t)run->n_frames;
        a->pc++;
        return PITH_OK;
    }
    if (known_branch(run, a, inst->branch))
        return PITH_OK;
    if (inst->op == RE_STAR)
        return run_star(run, a, err);
    memo_set(run, inst->branch, a->at, 1);
    frame.kind = FRAME_SPLIT;
    TRY(push_frame(run, frame, err));
    a->pc += (uint32_t)inst->x;
    return push_trail(run, inst->branch, a->at, a->at, err);
}

/* Tries to match at `start`; *end is SIZE_MAX if there is no match, and *late is set where it took
 * too long to go on without a memory. */
static int attempt_at(struct regex_run *run, size_t start, size_t *end, bool *late,
                      pith_error *err)
{
    struct attempt a = { .pc = 0, .at = start };
    uint64_t limit = run->text.n * STEPS_PER_BYTE + 4096;

    if (run->slow)
        limit = (limit + (uint64_t)run->re->n_code * run->text.n) * STEPS_PER_PLACE;
    *end = SIZE_MAX;
    run->n_frames = run->n_trail = 0;
    while (!a.failed) {
        const struct regex_inst *inst = &run->re->code[a.pc];

        *late = ++run->steps > limit;
        if (*late)
            return PITH_OK;
        switch ((enum regex_op)inst->op) {
        case RE_SET: a.failed = !step_set(run, inst->x, &a.at); a.pc++; break;
        case RE_JUMP: a.pc += (uint32_t)inst->x; break;
        case RE_DONE: close_inner(run, &a); break;
        case RE_BEHIND:
            a.failed = (a.at > 0 && pi_regex_set_has(run->re, inst->x, code_before(run, a.at))) ==
                       (inst->y != 0);
            a.pc++;
            break;
        case RE_ASSERT:
            a.failed = !place_holds(run, (enum regex_place)inst->x, a.at);
            a.pc++;
            break;
        case RE_MATCH:
            settle_trail(run, 0, 0);
            *end = a.at;
            return PITH_OK;
        default: TRY(step_branch(run, &a, err));
        }
        if (a.failed)
            TRY(back_track(run, &a, err));
    }
    return PITH_OK;
}

int pi_regex_next(struct regex_run *run, bool *found, size_t *start, size_t *end, pith_error *err)
{
    *found = false;
    if (run->text.n > TEXT_MAX)
        return pi_fail(err, PITH_E_LIMIT, "a regular expression on %zu bytes, at most %zu",
                       run->text.n, TEXT_MAX);
    while (run->at <= run->text.n) {
        const char *p = run->text.at + run->at;
        uint8_t byte = run->at < run->text.n ? (uint8_t)*p : 0;
        bool may = run->at == run->text.n || (run->re->first[byte / 32] >> byte % 32 & 1);
        bool late = false;
        int n = 1;

        *end = SIZE_MAX;
        if (may)
            TRY(attempt_at(run, run->at, end, &late, err));
        if (late && run->slow)
            return pi_fail(err, PITH_E_LIMIT, "a regular expression takes too long on %zu bytes "
                           "of text", run->text.n);
        if (late) {
            TRY(start_memo(run, err));
            continue;
        }
        /* An empty match right behind the last one does not count. */
        if (*end != SIZE_MAX && !(*end == run->at && *end == run->last)) {
            *found = true;
            *start = run->at;
            run->at = run->last = *end;
            return PITH_OK;
        }
        if (run->at < run->text.n)
            (void)pi_utf8_next(p, run->text.at + run->text.n, &n);
        run->at += (size_t)n;
    }
    return PITH_OK;
}
