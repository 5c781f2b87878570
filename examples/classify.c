/* classify.c - tell texts apart by labels, without training: one call for all of them.
 *
 *     classify MODEL LABEL,LABEL... TEXT...
 */
#include "pith.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 }; /* texts, and labels */

/* Joins strings into one buffer with offsets, as pith_classify takes them. */
static char *join(char **strings, int n, int64_t offsets[MOST + 1])
{
    size_t total = 0;
    char *buffer;

    for (int i = 0; i < n; i++)
        total += strlen(strings[i]);
    buffer = malloc(total + 1);
    offsets[0] = 0;
    for (int i = 0; buffer && i < n; i++) {
        size_t length = strlen(strings[i]);

        memcpy(buffer + offsets[i], strings[i], length);
        offsets[i + 1] = offsets[i] + (int64_t)length;
    }
    return buffer;
}

int main(int argc, char **argv)
{
    int64_t text_offsets[MOST + 1], label_offsets[MOST + 1];
    char *labels[MOST], *texts, *joined;
    float probabilities[MOST * MOST];
    pith_error err = { 0 };
    pith_model *model = NULL;
    pith_session *session = NULL;
    int n_labels = 0, n_texts = argc - 3;

    if (argc < 4 || n_texts > MOST)
        return fprintf(stderr, "usage: classify MODEL LABEL,LABEL... TEXT...\n"), 2;
    for (char *at = strtok(argv[2], ","); at && n_labels < MOST; at = strtok(NULL, ","))
        labels[n_labels++] = at;
    texts = join(argv + 3, n_texts, text_offsets);
    joined = join(labels, n_labels, label_offsets);
    if (!pith_model_open(&model, argv[1], -1, NULL, &err) &&
        !pith_session_open(&session, model, NULL, &err) &&
        !pith_classify(session, texts, text_offsets, n_texts, joined, label_offsets, n_labels,
                       NULL, probabilities, &err))
        for (int i = 0; i < n_texts; i++, putchar('\n'))
            for (int j = 0; j < n_labels; j++)
                printf("%s %.3f  ", labels[j], (double)probabilities[i * n_labels + j]);
    if (err.code)
        fprintf(stderr, "%s\n", err.text);
    pith_session_release(session);
    pith_model_release(model);
    free(texts);
    free(joined);
    return err.code != 0;
}
