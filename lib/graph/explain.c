/* explain.c - prints a program: a newcomer's first tool, and a golden test of every family.
 */
#include "graph.h"

#include <stdarg.h>
#include <stdio.h>

struct page {
    char *text;
    size_t capacity, n; /* n counts what did not fit too */
};

PI_FORMAT(2, 3) static void print(struct page *page, const char *format, ...)
{
    size_t room = page->n < page->capacity ? page->capacity - page->n : 0;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(room ? page->text + page->n : NULL, room, format, args);
    va_end(args);
    page->n += n > 0 ? (size_t)n : 0;
}

static void print_step(struct page *page, const struct linked *s)
{
    struct str rest = pi_str(s->step->params ? s->step->params : ""), text;
    struct str names = pi_str(s->op->params), name;
    char number[32];

    print(page, "  %-9s %-7s <- %-8s", s->op->name, s->step->out, s->step->in);
    if (s->w.data)
        print(page, "  %.*s [", (int)strcspn(s->step->weight, "?"), s->step->weight);
    if (s->w.data && s->w.depth > 1)
        print(page, "%lld,", (long long)s->w.depth);
    if (s->w.data)
        print(page, "%lld,%lld]%s", (long long)s->w.rows, (long long)s->w.cols,
              s->bias.data ? " + bias" : "");
    for (int i = 0; pi_str_cut(&rest, ',', &text) && pi_str_cut(&names, ' ', &name); i++)
        print(page, "  %.*s=%s", (int)name.n, name.at, pi_number(s->p[i], number));
    print(page, "\n");
}

/* Whether two steps would print the same. */
static bool same_step(const struct linked *a, const struct linked *b)
{
    return a->step == b->step && a->w.rows == b->w.rows && a->w.cols == b->w.cols &&
           a->w.depth == b->w.depth &&
           !a->w.data == !b->w.data && !a->bias.data == !b->bias.data &&
           memcmp(a->p, b->p, sizeof a->p) == 0;
}

/* The first step behind those of the layer that begins at `i`. */
static int layer_end(const struct program *p, int i)
{
    int layer = p->steps[i].layer;

    while (i < p->n_steps && p->steps[i].layer == layer)
        i++;
    return i;
}

static bool same_layer(const struct program *p, int a, int b)
{
    int n = layer_end(p, a) - a;

    if (p->steps[b].layer < 0 || layer_end(p, b) - b != n)
        return false;
    for (int i = 0; i < n; i++)
        if (!same_step(&p->steps[a + i], &p->steps[b + i]))
            return false;
    return true;
}

size_t pi_explain(const struct program *p, char *text, size_t capacity)
{
    struct page page = { text, capacity, 0 };

    for (int i = 0; i < p->n_steps;) {
        int end = layer_end(p, i), next = end;

        if (p->steps[i].layer < 0) {
            print(&page, i == 0 ? "enter\n" : "leave\n");
        } else {
            while (next < p->n_steps && same_layer(p, i, next))
                next = layer_end(p, next);
            print(&page, "layers %d to %d\n", p->steps[i].layer, p->steps[next - 1].layer);
        }
        for (; i < end; i++)
            print_step(&page, &p->steps[i]);
        i = next;
    }
    if (capacity && page.n >= capacity)
        text[capacity - 1] = 0;
    return page.n;
}
