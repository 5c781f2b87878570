/* names.c - names of tensors, and shapes as text and in comparison. See model.h.
 */
#include "model.h"

struct str pi_tensor_name(struct str prefix, struct str pattern, int layer, int64_t slice,
                          char name[PI_NAME_BYTES])
{
    size_t n = 0;

    for (; n < prefix.n && n < PI_NAME_BYTES / 2; n++)
        name[n] = prefix.at[n];
    for (size_t i = 0; i < pattern.n && n < PI_NAME_BYTES - 12; i++) {
        char digits[12];
        int length = 0;
        int64_t number;

        if (pattern.at[i] != '%' || i + 1 == pattern.n) {
            name[n++] = pattern.at[i];
            continue;
        }
        number = pattern.at[++i] == 'e' ? slice : layer;
        for (; length == 0 || (number && length < 12); number /= 10)
            digits[length++] = (char)('0' + number % 10);
        while (length)
            name[n++] = digits[--length];
    }
    return (struct str){ name, n };
}

const char *pi_shape_text(const int64_t *shape, int dims, char text[PI_SHAPE_TEXT])
{
    size_t n = 0;
    char number[32];

    text[n++] = '[';
    for (int i = 0; i < dims; i++) {
        const char *digits = pi_number((double)shape[i], number);
        size_t length = strlen(digits);

        if (n + length + 2 > PI_SHAPE_TEXT)
            break;
        memcpy(text + n, digits, length);
        n += length;
        text[n++] = i + 1 < dims ? ',' : ']';
    }
    text[n] = 0;
    return text;
}

bool pi_same_shape(const int64_t *a, int n, const int64_t *b, int m)
{
    int i = 0, j = 0;

    for (;; i++, j++) {
        while (i < n && a[i] == 1)
            i++;
        while (j < m && b[j] == 1)
            j++;
        if (i == n || j == m)
            return i == n && j == m;
        if (a[i] != b[j])
            return false;
    }
}
