/* hpp.cpp - pith.hpp: the results of pith.h, exceptions instead of codes, no leak on any path.
 *
 *     c++ -std=c++17 -Iinclude tests/api/hpp.cpp build/libpith.a -lm -pthread
 */
#include "pith.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <thread>
#include <unistd.h>

#if __cplusplus >= 202002L
#include <ranges>
#include <span>
static_assert(std::ranges::input_range<pith::generation>);
#endif

static_assert(!std::is_copy_constructible_v<pith::model>);
static_assert(!std::is_copy_constructible_v<pith::session>);
static_assert(!std::is_copy_constructible_v<pith::options>);
static_assert(std::is_nothrow_move_constructible_v<pith::model>);
static_assert(std::is_nothrow_move_assignable_v<pith::session>);
static_assert(std::is_nothrow_move_assignable_v<pith::options>);
static_assert(std::is_base_of_v<std::runtime_error, pith::error>);

/* check.h is C; this is as much of it as is needed here. */
static int failures, passed, failed;
static const char *only;

#define CHECK(...)                                                                   \
    do {                                                                             \
        if (!(__VA_ARGS__)) {                                                        \
            failures++;                                                              \
            std::printf("%s:%d: %s is false\n", __FILE__, __LINE__, #__VA_ARGS__);   \
        }                                                                            \
    } while (0)

/* The expression throws pith::error of that status. */
#define THROWS(expected, ...)                                                              \
    do {                                                                                   \
        bool thrown_ = false;                                                              \
        try {                                                                              \
            static_cast<void>(__VA_ARGS__); /* an expression, not a declaration */          \
        } catch (const pith::error &why_) {                                                \
            thrown_ = why_.status() == (expected) && *why_.what() != '\0' &&               \
                      why_.code() == static_cast<std::int32_t>(expected);                  \
        }                                                                                  \
        if (!thrown_) {                                                                    \
            failures++;                                                                    \
            std::printf("%s:%d: %s does not throw so\n", __FILE__, __LINE__, #__VA_ARGS__); \
        }                                                                                  \
    } while (0)

static void run(const char *name, void (*test)())
{
    if (only && !std::strstr(name, only))
        return;
    failures = 0;
    try {
        test();
    } catch (const std::exception &why) {
        failures++;
        std::printf("%s: throws %s\n", name, why.what());
    }
    (failures ? failed : passed)++;
    if (failures)
        std::printf("FAIL %s (%d)\n", name, failures);
}

static const char *const llama = "tests/golden/llama.gguf";
static const char *const qwen = "tests/golden/qwen2.gguf";   /* 279 tokens, byte level */
static const char *const folder = "tests/golden/tiny/qwen3"; /* of Hugging Face, in BF16 */

static std::vector<char> read_file(const char *path)
{
    std::ifstream in(path, std::ios::binary);

    return { std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>() };
}

static void opens()
{
    std::vector<char> data = read_file(llama);
    int fd = open(llama, O_RDONLY);
    pith::model path(llama), memory = pith::model::from_memory(data.data(), data.size()),
                file = pith::model::from_fd(fd);

    for (const pith::model *m : { &path, &memory, &file }) {
        CHECK(m->vocabulary() == 99 && m->context() == 256 && m->layers() == 2);
        CHECK(m->architecture() == "llama" && m->bos() == 1 && m->eos() == 2 && m->exact());
        CHECK(m->explain() == path.explain() && m->explain().size() > 100);
        m->verify();
    }
    close(fd);
    CHECK(path.tensors().size() == static_cast<std::size_t>(path.number(PITH_MODEL_TENSORS)));
    CHECK(path.tensors()[0].type == "F32" && !path.tensors()[0].shape.empty());
    bool found = false;
    for (const auto &[key, value] : path.metadata())
        found = found || (key == "general.architecture" && value == "llama");
    CHECK(found);
}

static void fails()
{
    THROWS(pith::status::io, pith::model("absent.gguf"));
    THROWS(pith::status::argument, pith::model(""));
    THROWS(pith::status::argument, pith::model(std::string_view()));
    THROWS(pith::status::format, pith::model::from_memory("GGUF", 4));
    THROWS(pith::status::argument, pith::model::from_fd(-1));
    THROWS(pith::status::argument, pith::model(llama, { { PITH_OPT_PRECISION, "much" } }));
    pith::model m(llama);
    THROWS(pith::status::limit, pith::session(m, { { PITH_OPT_CONTEXT, 1000 } }));
    pith::session s(m);
    THROWS(pith::status::state, s.logits());
    THROWS(pith::status::argument, s.rewind(1));
    THROWS(pith::status::argument, s.feed(std::vector<std::int32_t>{ 99 }));
    THROWS(pith::status::argument, s.score(std::vector<std::int32_t>{}));
    THROWS(pith::status::argument, s.classify({}, { "a" }));
    THROWS(pith::status::argument, s.classify({ "a" }, {}));
    THROWS(pith::status::argument, m.detokenize(std::vector<std::int32_t>{ -1 }));
    THROWS(pith::status::argument, m.piece(99));
    try {
        pith::model gone("absent.gguf");
    } catch (const std::runtime_error &why) {
        CHECK(std::strstr(why.what(), "absent.gguf"));
    }
    CHECK(std::string(pith::error(PITH_E_STATE, "").what()) == pith_status_meaning(PITH_E_STATE));
    CHECK(std::string(pith::error(PITH_E_STATE, "x").name()) == "PITH_E_STATE");
}

static void options()
{
    pith::options none, some{ { PITH_OPT_TEMPERATURE, 0.8 }, { PITH_OPT_TOP_K, 40 },
                              { PITH_OPT_STOP, "\n" }, { PITH_OPT_STOP, std::string("x") } };

    CHECK(!none.get() && some.get());
    none.set(PITH_OPT_SEED, 7u).set(PITH_OPT_TOP_P, 0.5f).set("min_p", "0.1");
    CHECK(none.get());
    pith::options moved = pith::options{}.set(PITH_OPT_SEED, std::int64_t{ 1 }).set("seed", "2");
    CHECK(moved.get());
    THROWS(pith::status::argument, moved.set(PITH_OPT_TEMPERATURE, -1));
    THROWS(pith::status::argument, moved.set(PITH_OPT_TEMPERATURE, std::nan("")));
    THROWS(pith::status::argument, moved.set(PITH_OPT_SEED, 0.5));
    THROWS(pith::status::argument, moved.set(PITH_OPT_SEED, "1"));
    THROWS(pith::status::unsupported, moved.set(9999, 1));
    THROWS(pith::status::unsupported, moved.set("no such", "1"));
    THROWS(pith::status::argument, pith::options{ { PITH_OPT_TOP_P, 2 } });
    CHECK(moved.get());
}

static void tokens()
{
    pith::model m(llama);
    std::vector<std::int32_t> ids = m.tokenize("Once upon a time", PITH_TOKENIZE_BOS);

    CHECK(!ids.empty() && ids[0] == 1);
    CHECK(m.detokenize(ids) == "Once upon a time");
    CHECK(m.detokenize({}).empty() && m.tokenize("").empty());
    CHECK(m.detokenize(m.tokenize(std::string(10000, 'a'))) == std::string(10000, 'a'));
    CHECK(m.piece(2) == "</s>");
    CHECK(m.tokenize("</s>", PITH_TOKENIZE_SPECIAL) == std::vector<std::int32_t>{ 2 });
}

static void generates()
{
    pith::model m(llama);
    pith::session s(m, { { PITH_OPT_THREADS, 1 } });
    std::vector<std::int32_t> ids;
    std::string text;
    pith::finish end = pith::finish::none;

    for (auto &&event : s.generate("Once", { { PITH_OPT_MAX_TOKENS, 12 } })) {
        CHECK(end == pith::finish::none && event.logprob <= 0 && event.token >= 0);
        text += event.text;
        ids.push_back(event.token);
        end = event.finish;
    }
    CHECK(end == pith::finish::length && ids.size() == 12);
    s.rewind();
    CHECK(s.complete("Once", { { PITH_OPT_MAX_TOKENS, 12 } }) == text);
    s.rewind();
    CHECK(s.complete("Once", { { PITH_OPT_STOP, text.substr(5, 3) } }) == text.substr(0, 5));
    /* Left early, taken up again. */
    s.rewind();
    pith::generation g = s.generate("Once", { { PITH_OPT_MAX_TOKENS, 12 } });
    std::string parts;
    for (auto &&event : g) {
        parts += event.text;
        if (parts.size() >= 4)
            break;
    }
    for (auto &&event : g)
        parts += event.text;
    CHECK(parts == text);
    CHECK(g.begin() == g.end());
    THROWS(pith::status::limit, s.generate(std::string(1000, 'a')));
}

static void put(std::string &out, std::uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out += static_cast<char>(value >> 8 * i);
}

/* The GGUF file, and in it keys that make three of its tokens those for filling in. */
static std::string with_marks(const char *path, const std::array<std::int32_t, 3> &marks)
{
    std::vector<char> data = read_file(path);
    std::string out(data.begin(), data.begin() + 16), keys;

    for (std::size_t i = 0; i < 3; i++) {
        std::string key = std::string("tokenizer.ggml.fim_") +
                          std::array<const char *, 3>{ "pre", "suf", "mid" }[i] + "_token_id";
        put(keys, key.size(), 8);
        put(keys += key, 4, 4); /* a u32 */
        put(keys, static_cast<std::uint64_t>(marks[i]), 4);
    }
    std::size_t filler = 32 - (keys.size() + 13) % 32; /* the weights behind stay aligned */
    put(keys, filler, 8);
    put(keys.append(filler, 'x'), 0, 5); /* a u8 */
    put(out, static_cast<unsigned char>(data[16]) + 4u, 8);
    return out.append(keys).append(data.begin() + 24, data.end());
}

static void infills()
{
    std::array<std::int32_t, 3> marks{ 250, 251, 252 };
    std::string data = with_marks(qwen, marks), expected, text;
    pith::model m = pith::model::from_memory(data.data(), data.size());
    pith::session s(m);
    pith::options with{ { PITH_OPT_MAX_TOKENS, 12 }, { PITH_OPT_IGNORE_EOS, 1 } };

    s.feed({ &marks[0], 1 });
    s.feed(m.tokenize("def f("));
    s.feed({ &marks[1], 1 });
    s.feed(m.tokenize("return 1"));
    s.feed({ &marks[2], 1 });
    std::int64_t position = s.position();
    expected = s.complete("", with);
    s.rewind();
    pith::generation g = s.infill("def f(", "return 1", with);
    CHECK(s.position() == position);
    for (auto &&event : g)
        text += event.text;
    CHECK(text == expected && !text.empty());
    s.rewind();
    THROWS(pith::status::limit, s.infill(std::string(300, 'a'), {}));
    pith::model plain(qwen);
    s = pith::session(plain);
    THROWS(pith::status::unsupported, s.infill("a", "b"));
}

static void sessions()
{
    pith::model m(llama);
    pith::session s(m), other(m);
    std::vector<std::int32_t> ids = m.tokenize("Once upon", PITH_TOKENIZE_BOS);

    s.feed(ids);
    pith::view<const float> logits = s.logits();
    std::vector<float> all = other.evaluate(ids);
    CHECK(logits.size() == 99 && all.size() == ids.size() * 99);
    for (std::size_t i = 0; i < 99; i++)
        CHECK(std::fabs(logits[i] - all[all.size() - 99 + i]) < 1e-4f);
    CHECK(other.evaluate({}).empty());
    CHECK(s.position() == static_cast<std::int64_t>(ids.size()) && s.capacity() == 256);
    s.rewind(2);
    CHECK(s.position() == 2);
    s.feed(std::array<std::int32_t, 2>{ 5, 6 });
    CHECK(s.position() == 4);
#if __cplusplus >= 202002L
    s.feed(std::span<const std::int32_t>(ids).subspan(1, 2));
    CHECK(s.position() == 6);
#endif
    std::vector<double> logprobs = s.score(ids);
    CHECK(logprobs.size() == ids.size() - 1 && s.position() == 0);
    pith::scored score = s.score("Once", " upon");
    CHECK(score.tokens > 0 && score.logprob < 0);
    CHECK(s.score("", "").tokens == 0);
}

static void classifies()
{
    pith::model m(llama);
    pith::session s(m);
    std::vector<std::string_view> texts{ "a good day", "a bad film", "" };
    auto rows = s.classify(texts, { "yes", "no" });

    CHECK(rows.size() == 3);
    for (const std::vector<float> &row : rows)
        CHECK(row.size() == 2 && std::fabs(row[0] + row[1] - 1) < 1e-6f);
    std::vector<std::string> owned{ "a good day", "a bad film", "" };
    CHECK(s.classify(owned, std::vector<const char *>{ "yes", "no" }) == rows);
    auto other = s.classify({ "a good day" }, { "yes", "no" }, { { PITH_OPT_CONTENT_FREE, "" } });
    CHECK(other.size() == 1 && other[0] != rows[0]);
}

/* Handles outlive each other in any order, and move. */
static void lifetimes()
{
    auto m = std::make_unique<pith::model>(llama);
    pith::model shared = m->share();
    CHECK(shared.get() == m->get());
    pith::session s(*m), t = std::move(s);
    m.reset();
    CHECK(!s.get());
    CHECK(s.position() == 0);
    THROWS(pith::status::argument, s.rewind());
    THROWS(pith::status::argument, s.generate("a"));
    s = pith::session(shared);
    CHECK(s.complete("Once", { { PITH_OPT_MAX_TOKENS, 5 } }) ==
          t.complete("Once", { { PITH_OPT_MAX_TOKENS, 5 } }));
    pith::model gone = std::move(shared);
    CHECK(!shared.get() && shared.vocabulary() == 0);
    THROWS(pith::status::argument, shared.tokenize("a"));
    THROWS(pith::status::argument, pith::session(shared));
    s = std::move(t);
}

static void cancels()
{
    pith::model m(llama);
    pith::session s(m);
    std::vector<std::string> texts(20000, "some text");
    std::atomic<bool> ended{ false };
    pith::status got = pith::status::ok;

    std::thread busy([&] {
        try {
            s.classify(texts, { "yes", "no" });
        } catch (const pith::error &why) {
            got = why.status();
        }
        ended = true;
    });
    while (!ended) {
        s.cancel();
        std::this_thread::yield();
    }
    busy.join();
    CHECK(got == pith::status::cancelled);
    try { /* a cancel may have come after the end */
        s.complete("a", { { PITH_OPT_MAX_TOKENS, 1 } });
    } catch (const pith::error &) {
    }
    s.rewind();
    CHECK(!s.complete("Once", { { PITH_OPT_MAX_TOKENS, 5 } }).empty());
}

static void quantizes()
{
    char path[] = "/tmp/pith-hpp-XXXXXX";

    close(mkstemp(path));
    pith::quantize(llama, path, "Q8_0", { { PITH_OPT_THREADS, 1 } });
    CHECK(pith::model(path).bytes() < pith::model(llama).bytes());
    unlink(path);
    THROWS(pith::status::io, pith::quantize("absent.gguf", path, "Q8_0"));
}

/* 0 while less than half is done. */
static std::int32_t stop_at_half(void *user, std::int64_t done, std::int64_t total)
{
    ++*static_cast<int *>(user);
    return 2 * done >= total;
}

static void converts()
{
    char path[] = "/tmp/pith-hpp-XXXXXX";
    int calls = 0;

    close(mkstemp(path));
    pith::convert(folder, path);
    CHECK(pith::model(path).architecture() == "qwen3");
    CHECK(pith::model(path).tensors()[0].type == "BF16");
    pith::convert(folder, path, "F32", { { PITH_OPT_THREADS, 1 } });
    for (const pith::tensor &tensor : pith::model(path).tensors())
        CHECK(tensor.type == "F32");
    unlink(path);
    THROWS(pith::status::cancelled, pith::convert(folder, path, {}, {}, stop_at_half, &calls));
    CHECK(calls > 1 && access(path, F_OK) != 0);
    THROWS(pith::status::unsupported, pith::convert(llama, path));
    THROWS(pith::status::argument, pith::convert(folder, path, "Q99"));
}

static void allocates()
{
    struct heap {
        static void *take(void *user, std::int64_t size)
        {
            void *block = nullptr;

            *static_cast<std::int64_t *>(user) += size;
            return posix_memalign(&block, 64, static_cast<std::size_t>(size)) ? nullptr : block;
        }
        static void give(void *user, void *block, std::int64_t size)
        {
            *static_cast<std::int64_t *>(user) -= size;
            std::free(block);
        }
        static void *none(void *, std::int64_t) { return nullptr; }
    };
    std::int64_t bytes = 0;
    pith::options own;

    own.allocator(heap::take, heap::give, &bytes);
    {
        pith::model m(llama, own);
        pith::session s(m);
        CHECK(bytes > 0);
        CHECK(!s.complete("Once", { { PITH_OPT_MAX_TOKENS, 3 } }).empty());
    }
    CHECK(bytes == 0);
    own.allocator(heap::none, heap::give, &bytes);
    THROWS(pith::status::memory, pith::model(llama, own));
}

int main(int argc, char **argv)
{
    only = argc > 1 ? argv[1] : nullptr;
    run("opens", opens);
    run("fails", fails);
    run("options", options);
    run("tokens", tokens);
    run("generates", generates);
    run("infills", infills);
    run("sessions", sessions);
    run("classifies", classifies);
    run("lifetimes", lifetimes);
    run("cancels", cancels);
    run("quantizes", quantizes);
    run("converts", converts);
    run("allocates", allocates);
    std::printf("%-28s %d passed, %d failed, 0 skipped\n", __FILE__, passed, failed);
    return failed != 0;
}
