/* generate.c - continue a text: what a user of pith writes.
 *
 *     generate MODEL PROMPT
 *
 * Before: nothing. Next: include/pith.h.
 */
#include "pith.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    pith_error err = { 0 };
    pith_model *model = NULL;
    pith_session *session = NULL;
    const pith_event *event;
    int32_t status;

    if (argc != 3)
        return fprintf(stderr, "usage: generate MODEL PROMPT\n"), 2;
    status = pith_model_open(&model, argv[1], -1, NULL, &err);
    if (status == PITH_OK)
        status = pith_session_open(&session, model, NULL, &err);
    if (status == PITH_OK)
        status = pith_generate(session, argv[2], -1, NULL, &err);
    while (status == PITH_OK && (status = pith_generate_next(session, &event, &err)) == PITH_OK) {
        const char *text;
        int64_t length;

        pith_event_text(event, &text, &length);
        fwrite(text, 1, (size_t)length, stdout);
        fflush(stdout);
    }
    putchar('\n');
    if (status != PITH_END)
        fprintf(stderr, "%s: %s\n", pith_status_name(status), err.text);
    pith_session_release(session);
    pith_model_release(model);
    return status != PITH_END;
}
