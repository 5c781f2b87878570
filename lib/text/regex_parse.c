/* regex_parse.c - compiles regular expressions; see regex.h. Next: regex.c, which runs them.
 *
 * Instructions name their targets by distance, so that a finished part can be moved and copied.
 * Nesting is bounded, and so is the program.
 */
#include "regex_parse.h"

/* Makes room for one instruction at `at` and puts it there. */
static int put_inst(struct regex_parser *p, int32_t at, enum regex_op op, int32_t x, int32_t y)
{
    struct regex *re = p->re;

    if (re->n_code == CODE_MAX)
        return pi_regex_error(p, "is too long a program");
    memmove(re->code + at + 1, re->code + at, (size_t)(re->n_code - at) * sizeof *re->code);
    re->code[at] = (struct regex_inst){ .op = (uint8_t)op, .x = x, .y = y };
    re->n_code++;
    return PITH_OK;
}

/* A set of one item, and the instruction that matches it. */
static int put_item(struct regex_parser *p, struct regex_item item)
{
    int32_t set = 0;

    TRY(pi_regex_add_set(p, &set));
    TRY(pi_regex_add_item(p, set, item));
    pi_regex_finish_set(p->re, set);
    return put_inst(p, p->re->n_code, RE_SET, set, 0);
}

static int parse_either(struct regex_parser *p);

/* What stands between ( and ) of a look-behind: one class or code point. */
static int parse_behind(struct regex_parser *p, bool negated)
{
    int32_t start = p->re->n_code;

    TRY(parse_either(p));
    if (p->re->n_code != start + 1 || p->re->code[start].op != RE_SET)
        return pi_regex_error(p, "a look-behind of more than one code point");
    p->re->code[start].op = RE_BEHIND;
    p->re->code[start].y = negated;
    return PITH_OK;
}

/* (?flags) and (?flags: ... ); p->at is behind the question mark. *whole: to the end of the group
 * around it. */
static int take_flags(struct regex_parser *p, bool *whole)
{
    bool on = true;

    for (; p->at < p->end && *p->at != ':' && *p->at != ')'; p->at++) {
        if (*p->at == '-')
            on = false;
        else if (*p->at == 'i')
            p->fold = on;
        else if (*p->at == 'm')
            p->dot_all = on;
        else
            return pi_regex_error(p, "a group that is not known");
    }
    *whole = p->at < p->end && *p->at == ')';
    p->at += p->at < p->end;
    return PITH_OK;
}

static int close_group(struct regex_parser *p)
{
    return pi_regex_take(p, ")") ? PITH_OK : pi_regex_error(p, "a ) is missing");
}

/* What follows (. */
static int parse_group(struct regex_parser *p)
{
    static const struct {
        const char *mark;
        enum regex_op op;
        bool negated;
    } kinds[] = { { "?=", RE_LOOK, false }, { "?!", RE_LOOK, true }, { "?<=", RE_BEHIND, false },
                  { "?<!", RE_BEHIND, true }, { "?>", RE_ATOMIC, false } };
    bool fold = p->fold, dot_all = p->dot_all, whole = false;
    int32_t start = p->re->n_code;

    for (size_t i = 0; i < PI_COUNT(kinds); i++) {
        if (!pi_regex_take(p, kinds[i].mark))
            continue;
        if (kinds[i].op == RE_BEHIND) {
            TRY(parse_behind(p, kinds[i].negated));
        } else {
            TRY(put_inst(p, start, kinds[i].op, 0, kinds[i].negated));
            TRY(parse_either(p));
            TRY(put_inst(p, p->re->n_code, RE_DONE, 0, 0));
            p->re->code[start].x = p->re->n_code - start;
        }
        p->fold = fold;
        p->dot_all = dot_all;
        return close_group(p);
    }
    if (pi_regex_take(p, "?:")) {
        /* the plain group */
    } else if (pi_regex_take(p, "?<")) {
        while (p->at < p->end && *p->at++ != '>')
            ;
    } else if (pi_regex_take(p, "?")) {
        TRY(take_flags(p, &whole));
    }
    TRY(parse_either(p));
    p->fold = whole ? p->fold : fold;
    p->dot_all = whole ? p->dot_all : dot_all;
    if (whole)
        return PITH_OK; /* what ends here ends the group around it too */
    return close_group(p);
}

/* An assertion behind a backslash, p->at on its letter; *known is false for others. */
static int take_place(struct regex_parser *p, bool *known)
{
    static const char letters[] = "AzZbB";
    static const uint8_t places[] = { TEXT_START, TEXT_END, TEXT_END_LINE, WORD_EDGE, WORD_INSIDE };
    const char *found = p->at < p->end && *p->at ? strchr(letters, *p->at) : NULL;

    *known = found != NULL;
    if (!found)
        return PITH_OK;
    p->at++;
    return put_inst(p, p->re->n_code, RE_ASSERT, places[found - letters], 0);
}

static int parse_escape(struct regex_parser *p)
{
    struct regex_item item = { .kind = SET_RANGE };
    bool known;

    TRY(take_place(p, &known));
    if (known)
        return PITH_OK;
    TRY(pi_regex_take_shorthand(p, &item, &known));
    if (!known) {
        TRY(pi_regex_take_escaped(p, &item.a));
        item.b = item.a;
    }
    if (item.kind == SET_WORD)
        item.a = 1;
    return put_item(p, item);
}

static int parse_atom(struct regex_parser *p)
{
    struct regex_item item = { .kind = SET_RANGE };
    int32_t set;
    int n;

    if (pi_regex_take(p, "("))
        return parse_group(p);
    if (pi_regex_take(p, "[")) {
        TRY(pi_regex_parse_class(p, &set));
        return put_inst(p, p->re->n_code, RE_SET, set, 0);
    }
    if (pi_regex_take(p, "\\"))
        return parse_escape(p);
    if (pi_regex_take(p, "^"))
        return put_inst(p, p->re->n_code, RE_ASSERT, LINE_START, 0);
    if (pi_regex_take(p, "$"))
        return put_inst(p, p->re->n_code, RE_ASSERT, LINE_END, 0);
    if (pi_regex_take(p, ".")) {
        item = (struct regex_item){ SET_RANGE, !p->dot_all, '\n', '\n' };
        if (p->dot_all)
            item.a = 0, item.b = UINT32_MAX;
        return put_item(p, item);
    }
    if (strchr("*+?", *p->at))
        return pi_regex_error(p, "nothing to repeat");
    item.a = item.b = pi_utf8_next(p->at, p->end, &n);
    p->at += n;
    return put_item(p, item);
}

/* {n}, {n,}, {,m}, {n,m}; false, with p->at as before, if the brace is plain text. most: -1 if
 * there is no bound. */
static bool take_counts(struct regex_parser *p, int32_t *least, int32_t *most)
{
    const char *start = p->at++;
    int32_t numbers[2] = { -1, -1 };
    int i = 0;

    for (; p->at < p->end && *p->at != '}'; p->at++) {
        if (*p->at == ',' && i == 0)
            i = 1;
        else if (*p->at >= '0' && *p->at <= '9' && numbers[i] <= REPEAT_MAX)
            numbers[i] = (numbers[i] < 0 ? 0 : numbers[i] * 10) + (*p->at - '0');
        else
            break;
    }
    if (p->at == p->end || *p->at != '}' || (numbers[0] < 0 && numbers[1] < 0)) {
        p->at = start;
        return false;
    }
    p->at++;
    *least = numbers[0] < 0 ? 0 : numbers[0];
    *most = i == 0 ? *least : numbers[1];
    return true;
}

/* Appends a copy of code[start, start + n). */
static int put_copy(struct regex_parser *p, int32_t start, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        struct regex_inst inst = p->re->code[start + i];

        TRY(put_inst(p, p->re->n_code, (enum regex_op)inst.op, inst.x, inst.y));
    }
    return PITH_OK;
}

/* Turns the part of n instructions at `start`, the last of the program, into any number of it. */
static int put_loop(struct regex_parser *p, int32_t start, int32_t n, enum regex_greed greed)
{
    struct regex_inst *inst = &p->re->code[start];

    if (n == 1 && inst->op == RE_SET) {
        *inst = (struct regex_inst){ .op = RE_STAR, .x = inst->x, .y = (int32_t)greed };
        return PITH_OK;
    }
    TRY(put_inst(p, start, RE_SPLIT, 1, n + 2));
    if (greed == LAZY) {
        p->re->code[start].x = n + 2;
        p->re->code[start].y = 1;
    }
    return put_inst(p, p->re->n_code, RE_JUMP, -(n + 1), 0);
}

/* Repeats the last part of the program, from `start` on. */
static int put_repeat(struct regex_parser *p, int32_t start, int32_t least, int32_t most,
                      enum regex_greed greed)
{
    int32_t n = p->re->n_code - start, outer = greed == POSSESSIVE ? 1 : 0;
    int32_t once = start + outer;

    if (least > REPEAT_MAX || most > REPEAT_MAX || (most >= 0 && most < least))
        return pi_regex_error(p, "a repetition that is too long");
    if (outer)
        TRY(put_inst(p, start, RE_ATOMIC, 0, 0));
    for (int32_t i = 1; i < least; i++)
        TRY(put_copy(p, once, n));
    if (most < 0) {
        if (least > 0)
            TRY(put_copy(p, once, n));
        TRY(put_loop(p, p->re->n_code - n, n, outer ? GREEDY : greed));
    } else if (least == 0 && most == 0) {
        p->re->n_code = once;
    }
    for (int32_t i = least; most >= 0 && i < most; i++) {
        int32_t skip = (most - i) * (n + 1);

        if (i > 0)
            TRY(put_copy(p, once + (least == 0), n));
        TRY(put_inst(p, p->re->n_code - n, RE_SPLIT, greed == LAZY ? skip : 1,
                     greed == LAZY ? 1 : skip));
    }
    if (!outer)
        return PITH_OK;
    TRY(put_inst(p, p->re->n_code, RE_DONE, 0, 0));
    p->re->code[start].x = p->re->n_code - start;
    return PITH_OK;
}

/* The quantifiers behind an atom that begins at `start`. */
static int parse_repeats(struct regex_parser *p, int32_t start)
{
    for (;;) {
        int32_t least, most;
        enum regex_greed greed = GREEDY;
        bool counted = false;

        if (pi_regex_take(p, "*"))
            least = 0, most = -1;
        else if (pi_regex_take(p, "+"))
            least = 1, most = -1;
        else if (pi_regex_take(p, "?"))
            least = 0, most = 1;
        else if (pi_regex_next_is(p, "{") && take_counts(p, &least, &most))
            counted = true;
        else
            return PITH_OK;
        if (pi_regex_take(p, "?"))
            greed = LAZY;
        else if (!counted && pi_regex_take(p, "+"))
            greed = POSSESSIVE;
        TRY(put_repeat(p, start, least, most, greed));
    }
}

static int parse_sequence(struct regex_parser *p)
{
    while (p->at < p->end && *p->at != '|' && *p->at != ')') {
        int32_t start = p->re->n_code;

        TRY(parse_atom(p));
        TRY(parse_repeats(p, start));
    }
    return PITH_OK;
}

/* Alternatives. The jumps to their common end are a list by way of x until it is known. */
static int parse_either(struct regex_parser *p)
{
    struct regex *re = p->re;
    int32_t start = re->n_code, jumps = -1;

    if (++p->depth > NEST_MAX)
        return pi_regex_error(p, "is nested too deeply");
    TRY(parse_sequence(p));
    while (pi_regex_take(p, "|")) {
        TRY(put_inst(p, start, RE_SPLIT, 1, re->n_code - start + 2));
        TRY(put_inst(p, re->n_code, RE_JUMP, jumps, 0));
        jumps = re->n_code - 1;
        start = re->n_code;
        TRY(parse_sequence(p));
    }
    while (jumps >= 0) {
        int32_t before = re->code[jumps].x;

        re->code[jumps].x = re->n_code - jumps;
        jumps = before;
    }
    p->depth--;
    return PITH_OK;
}

/* Bytes that a match can begin with: follows the program from its start up to the first code
 * point that is matched. All of them, if there may be none. */
static void find_first(struct regex *re, uint8_t *seen, int32_t *todo)
{
    int32_t n = 0;

    memset(re->first, 0, sizeof re->first);
    todo[n++] = 0;
    while (n) {
        int32_t pc = todo[--n];
        const struct regex_inst *inst = &re->code[pc];

        if (seen[pc]++)
            continue;
        switch ((enum regex_op)inst->op) {
        case RE_SET:
        case RE_STAR:
            for (int i = 0; i < 4; i++)
                re->first[i] |= re->sets[inst->x].ascii[i];
            memset(re->first + 4, 0xFF, 4 * sizeof re->first[0]);
            if (inst->op == RE_STAR)
                todo[n++] = pc + 1;
            break;
        case RE_SPLIT: todo[n++] = pc + inst->x; todo[n++] = pc + inst->y; break;
        case RE_JUMP: case RE_LOOK: todo[n++] = pc + inst->x; break;
        case RE_MATCH: memset(re->first, 0xFF, sizeof re->first); break;
        default: todo[n++] = pc + 1;
        }
    }
}

static int shrink_regex(struct regex *re, struct arena *arena, const struct regex *large,
                        uint8_t *seen, int32_t *todo, pith_error *err)
{
    *re = *large;
    re->code = pi_arena_alloc(arena, (size_t)re->n_code, sizeof *re->code);
    re->sets = pi_arena_alloc(arena, (size_t)re->n_sets, sizeof *re->sets);
    re->items = pi_arena_alloc(arena, (size_t)re->n_items, sizeof *re->items);
    if (!re->code || !re->sets || !re->items)
        return pi_no_memory(err, "a regular expression", (size_t)re->n_code * sizeof *re->code);
    memcpy(re->code, large->code, (size_t)re->n_code * sizeof *re->code);
    memcpy(re->sets, large->sets, (size_t)re->n_sets * sizeof *re->sets);
    memcpy(re->items, large->items, (size_t)re->n_items * sizeof *re->items);
    for (int32_t i = 0; i < re->n_code; i++)
        if (re->code[i].op == RE_SPLIT || re->code[i].op == RE_STAR)
            re->code[i].branch = re->n_branches++;
    find_first(re, seen, todo);
    return PITH_OK;
}

/* Compiles with p->re in memory large enough for any program, and keeps what it took. */
static int open_regex(struct regex *re, struct arena *arena, struct regex_parser *p, bool plain)
{
    struct {
        struct regex re;
        struct regex_inst code[CODE_MAX + 1];
        struct regex_set sets[SETS_MAX];
        struct regex_item items[ITEMS_MAX];
        uint8_t seen[CODE_MAX + 1];
        int32_t todo[2 * CODE_MAX + 4];
    } *room = pi_alloc(&arena->allocator, sizeof *room);
    int status = PITH_OK, n;

    if (!room)
        return pi_no_memory(p->err, "a regular expression", sizeof *room);
    room->re = (struct regex){ .code = room->code, .sets = room->sets, .items = room->items };
    memset(room->seen, 0, sizeof room->seen);
    p->re = &room->re;
    if (!plain)
        status = parse_either(p);
    for (; plain && status == PITH_OK && p->at < p->end; p->at += n) {
        uint32_t code = pi_utf8_next(p->at, p->end, &n);

        status = put_item(p, (struct regex_item){ .kind = SET_RANGE, .a = code, .b = code });
    }
    if (status == PITH_OK && p->at < p->end)
        status = pi_regex_error(p, "a ) without its (");
    if (status == PITH_OK)
        status = put_inst(p, p->re->n_code, RE_MATCH, 0, 0);
    if (status == PITH_OK)
        status = shrink_regex(re, arena, p->re, room->seen, room->todo, p->err);
    pi_free(&arena->allocator, room, sizeof *room);
    return status;
}

static int new_regex(struct regex **out, struct arena *arena, struct str pattern, bool plain,
                     pith_error *err)
{
    struct regex_parser p = { .pattern = pattern, .at = pattern.at, .end = pattern.at + pattern.n,
                              .err = err };

    *out = pi_arena_alloc(arena, 1, sizeof **out);
    if (!*out)
        return pi_no_memory(err, "a regular expression", sizeof **out);
    return open_regex(*out, arena, &p, plain);
}

int pi_regex_open(struct regex **out, struct arena *arena, struct str pattern, pith_error *err)
{
    return new_regex(out, arena, pattern, false, err);
}

int pi_regex_open_text(struct regex **out, struct arena *arena, struct str text, pith_error *err)
{
    return new_regex(out, arena, text, true, err);
}
