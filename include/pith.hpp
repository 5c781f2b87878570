/* pith.hpp - pith for C++17 and newer: header-only RAII over pith.h, with no ABI of its own.
 *
 *     pith::model model("tiny.gguf");
 *     pith::session session(model);
 *     for (auto &&event : session.generate("Once", { { PITH_OPT_MAX_TOKENS, 64 } }))
 *         std::cout << event.text << std::flush;
 *
 * Rules that hold for everything here; what a call does and how it fails stands in pith.h.
 *
 *   Errors     every function that can fail throws pith::error, which carries the code and the
 *              library's text. Besides it only std::bad_alloc of the standard containers. What
 *              is noexcept neither throws nor fails.
 *   Ownership  model, session and options own one handle each and can be moved, not copied;
 *              model::share() gives a second handle of the same model. A session holds its
 *              model, so both may go in any order. get() lends the C handle, nullptr in an
 *              object that was moved from; the members of such an object throw or give 0.
 *   Text       goes in as std::string_view of any bytes, and comes out as std::string, but for
 *              views that are named so: they are borrowed, as the function says.
 *   Threads    a model may be used from any thread at once; a session, an options object and
 *              a generation belong to one thread at a time. session::cancel() alone may be
 *              called from anywhere, a signal handler included.
 *
 * Before: pith.h. Next: tests/api/hpp.cpp.
 */
#ifndef PITH_HPP
#define PITH_HPP

#include "pith.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pith {

/* ---- errors ------------------------------------------------------------------------------- */

enum class status : std::int32_t {
    ok = PITH_OK,
    end = PITH_END,
    argument = PITH_E_ARGUMENT,
    io = PITH_E_IO,
    format = PITH_E_FORMAT,
    unsupported = PITH_E_UNSUPPORTED,
    memory = PITH_E_MEMORY,
    limit = PITH_E_LIMIT,
    cancelled = PITH_E_CANCELLED,
    numeric = PITH_E_NUMERIC,
    state = PITH_E_STATE
};

class error : public std::runtime_error {
public:
    /* An empty text becomes the code's meaning. */
    error(std::int32_t code, const char *text)
        : std::runtime_error(*text ? text : pith_status_meaning(code)), code_(code)
    {
    }

    std::int32_t code() const noexcept { return code_; }
    pith::status status() const noexcept { return static_cast<pith::status>(code_); }

    /* "PITH_E_FORMAT"; static. */
    const char *name() const noexcept { return pith_status_name(code_); }

private:
    std::int32_t code_;
};

namespace detail {

struct failure : pith_error {
    failure() noexcept
    {
        code = PITH_OK;
        text[0] = '\0';
    }
};

/* Throws if the call that filled `why` failed; PITH_END is no failure. */
inline std::int32_t check(std::int32_t status, const failure &why)
{
    if (status < 0)
        throw error(status, why.text);
    return status;
}

inline std::int64_t length(std::string_view text) noexcept
{
    return static_cast<std::int64_t>(text.size());
}

/* An empty view may have no data, which is no text for the C functions that need one. */
inline const char *data(std::string_view text) noexcept { return text.data() ? text.data() : ""; }

inline std::size_t size(std::int64_t n) noexcept { return static_cast<std::size_t>(n); }

} // namespace detail

/* Throws status::unsupported if the library is older than this header or of another major
 * version. Opening a model does this first. */
inline void check_version()
{
    detail::failure why;

    detail::check(pith_abi_check(PITH_VERSION, std::int64_t{ sizeof(pith_error) }, &why), why);
}

/* ---- views and lists ---------------------------------------------------------------------- */

/* Borrowed elements in a row, as std::span of C++20: made from whatever has data() and size(). */
template <class T> class view {
public:
    constexpr view() noexcept = default;
    constexpr view(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    template <class C, class = std::enable_if_t<std::is_convertible_v<
                           decltype(std::declval<const C &>().data()), T *>>>
    constexpr view(const C &of) noexcept : data_(of.data()), size_(of.size())
    {
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

using token_view = view<const std::int32_t>;

/* Texts in one buffer, as the C functions read them (Arrow's layout); made, with a copy, from
 * a braced list or from any range of what converts to std::string_view. */
class strings {
public:
    strings(std::initializer_list<std::string_view> items) { add(items); }

    template <class Range, class = std::enable_if_t<std::is_convertible_v<
                               decltype(*std::begin(std::declval<const Range &>())),
                               std::string_view>>>
    strings(const Range &items)
    {
        add(items);
    }

    const char *data() const noexcept { return data_.data(); }
    const std::int64_t *offsets() const noexcept { return offsets_.data(); }
    std::int64_t size() const noexcept { return static_cast<std::int64_t>(offsets_.size()) - 1; }

private:
    template <class Range> void add(const Range &items)
    {
        for (std::string_view item : items) {
            data_.append(item);
            offsets_.push_back(static_cast<std::int64_t>(data_.size()));
        }
    }

    std::string data_;
    std::vector<std::int64_t> offsets_{ 0 };
};

/* ---- options ------------------------------------------------------------------------------ */

/* One option and its value, for braced lists: { PITH_OPT_TEMPERATURE, 0.8 }. Text is borrowed. */
class setting {
public:
    template <class T> setting(std::int32_t key, const T &value) : key_(key)
    {
        if constexpr (std::is_integral_v<T>) {
            type_ = PITH_TYPE_I64;
            integer_ = static_cast<std::int64_t>(value);
        } else if constexpr (std::is_floating_point_v<T>) {
            type_ = PITH_TYPE_F64;
            number_ = static_cast<double>(value);
        } else {
            type_ = PITH_TYPE_STR;
            text_ = value;
        }
    }

    void apply(pith_options *to) const
    {
        detail::failure why;
        std::int32_t status;

        if (type_ == PITH_TYPE_I64)
            status = pith_options_set_i64(to, key_, integer_, &why);
        else if (type_ == PITH_TYPE_F64)
            status = pith_options_set_f64(to, key_, number_, &why);
        else
            status = pith_options_set_str(to, key_, detail::data(text_), detail::length(text_),
                                          &why);
        detail::check(status, why);
    }

private:
    std::int32_t key_;
    std::int32_t type_ = 0;
    std::int64_t integer_ = 0;
    double number_ = 0;
    std::string_view text_;
};

/* Options of a model, a session or a call. Without any set it holds no memory. */
class options {
public:
    options() noexcept = default;

    options(std::initializer_list<setting> settings)
    {
        for (const setting &one : settings)
            one.apply(handle());
    }

    /* Sets one: integers, doubles and text by the value's type; those that may repeat are
     * added. Chains: options{}.set(PITH_OPT_TOP_K, 40).set(PITH_OPT_STOP, "\n"). */
    template <class T> options &set(std::int32_t key, const T &value) &
    {
        setting(key, value).apply(handle());
        return *this;
    }

    template <class T> options &&set(std::int32_t key, const T &value) &&
    {
        return std::move(set(key, value));
    }

    /* By name, both as text: set("temperature", "0.7"). */
    options &set(const std::string &name, const std::string &value) &
    {
        detail::failure why;

        detail::check(pith_options_set(handle(), name.c_str(), value.c_str(), &why), why);
        return *this;
    }

    options &&set(const std::string &name, const std::string &value) &&
    {
        return std::move(set(name, value));
    }

    /* See pith_options_set_allocator. Neither function may throw. */
    options &allocator(pith_alloc_fn *alloc, pith_free_fn *free, void *user) &
    {
        detail::failure why;

        detail::check(pith_options_set_allocator(handle(), alloc, free, user, &why), why);
        return *this;
    }

    const pith_options *get() const noexcept { return handle_.get(); }

private:
    struct release {
        void operator()(pith_options *o) const noexcept { pith_options_release(o); }
    };

    pith_options *handle()
    {
        if (!handle_) {
            detail::failure why;
            pith_options *o = nullptr;

            detail::check(pith_options_create(&o, &why), why);
            handle_.reset(o);
        }
        return handle_.get();
    }

    std::unique_ptr<pith_options, release> handle_;
};

/* ---- model -------------------------------------------------------------------------------- */

struct tensor {
    std::string name;
    std::string type;
    std::vector<std::int64_t> shape; /* outermost dimension first */
};

class model {
public:
    /* Opens a GGUF file, which must stay unchanged while the model lives. */
    explicit model(std::string_view path, const options &with = {})
    {
        open([&](pith_model **out, pith_error *why) {
            return pith_model_open(out, detail::data(path), detail::length(path), with.get(), why);
        });
    }

    /* From memory that stays readable and unchanged until the model is gone. */
    static model from_memory(const void *data, std::size_t size, const options &with = {})
    {
        return model([&](pith_model **out, pith_error *why) {
            return pith_model_open_memory(out, data, static_cast<std::int64_t>(size), with.get(),
                                          why);
        }, nullptr);
    }

    /* From `size` bytes at `offset` of an open file, 0: to its end; the descriptor stays yours. */
    static model from_fd(std::int32_t fd, std::int64_t offset = 0, std::int64_t size = 0,
                         const options &with = {})
    {
        return model([&](pith_model **out, pith_error *why) {
            return pith_model_open_fd(out, fd, offset, size, with.get(), why);
        }, nullptr);
    }

    /* Another handle of the same model, for another owner. */
    model share() const noexcept
    {
        pith_model_retain(get());
        return model(get());
    }

    /* A fact by its key, PITH_MODEL_...; the usual ones by name. */
    std::int64_t number(std::int32_t key) const noexcept { return pith_model_number(get(), key); }
    std::int64_t vocabulary() const noexcept { return number(PITH_MODEL_VOCABULARY); }
    std::int64_t context() const noexcept { return number(PITH_MODEL_CONTEXT); }
    std::int64_t width() const noexcept { return number(PITH_MODEL_WIDTH); }
    std::int64_t layers() const noexcept { return number(PITH_MODEL_LAYERS); }
    std::int64_t parameters() const noexcept { return number(PITH_MODEL_PARAMETERS); }
    std::int64_t bytes() const noexcept { return number(PITH_MODEL_BYTES); }
    std::int64_t bos() const noexcept { return number(PITH_MODEL_BOS); }
    std::int64_t eos() const noexcept { return number(PITH_MODEL_EOS); }
    bool exact() const noexcept { return number(PITH_MODEL_EXACT) != 0; }

    /* The architecture's name; a view that lives as long as the model. */
    std::string_view architecture() const noexcept { return pith_model_arch(get()); }

    /* The file's metadata, values as text, arrays abbreviated and long ones cut. */
    std::vector<std::pair<std::string, std::string>> metadata() const
    {
        std::vector<std::pair<std::string, std::string>> all;
        char value[1024];

        for (std::int64_t i = 0; i < pith_model_meta_count(get()); i++) {
            const char *key = nullptr;
            std::int64_t n = 0;
            detail::failure why;

            detail::check(pith_model_meta(get(), i, &key, &n, value, sizeof value, &why), why);
            all.emplace_back(std::string(key, detail::size(n)), value);
        }
        return all;
    }

    std::vector<tensor> tensors() const
    {
        std::vector<tensor> all;

        for (std::int64_t i = 0; i < number(PITH_MODEL_TENSORS); i++) {
            const char *name = nullptr, *type = nullptr;
            std::int64_t n = 0, shape[4];
            std::int32_t dims = 0;
            detail::failure why;

            detail::check(pith_model_tensor(get(), i, &name, &n, &type, shape, &dims, &why), why);
            all.push_back({ std::string(name, detail::size(n)), type,
                            std::vector<std::int64_t>(shape, shape + dims) });
        }
        return all;
    }

    /* The program that the model runs, one step a line. */
    std::string explain() const
    {
        std::int64_t n = 0;
        detail::failure why;

        detail::check(pith_model_explain(get(), nullptr, 0, &n, &why), why);
        std::string text(detail::size(n) + 1, '\0');
        detail::check(pith_model_explain(get(), text.data(), n + 1, &n, &why), why);
        text.resize(detail::size(n));
        return text;
    }

    /* Reads every weight; throws status::numeric if one is no finite number. */
    void verify() const
    {
        detail::failure why;

        detail::check(pith_model_verify(get(), &why), why);
    }

    /* flags as in enum pith_tokenize_flags. */
    std::vector<std::int32_t> tokenize(std::string_view text,
                                       std::int32_t flags = PITH_TOKENIZE_PLAIN) const
    {
        /* A token has a byte or more, but for the special ones and a space put before. */
        std::vector<std::int32_t> ids(text.size() + 4);
        std::int64_t n = 0;

        for (;;) {
            detail::failure why;
            std::int64_t capacity = static_cast<std::int64_t>(ids.size());

            detail::check(pith_tokenize(get(), detail::data(text), detail::length(text), flags,
                                        ids.data(), capacity, &n, &why), why);
            ids.resize(detail::size(n));
            if (n <= capacity)
                return ids;
        }
    }

    std::string detokenize(token_view ids, std::int32_t flags = PITH_TOKENIZE_PLAIN) const
    {
        std::int64_t count = static_cast<std::int64_t>(ids.size()), n = 0;
        detail::failure why;

        detail::check(pith_detokenize(get(), ids.data(), count, flags, nullptr, 0, &n, &why), why);
        std::string text(detail::size(n), '\0');
        detail::check(pith_detokenize(get(), ids.data(), count, flags, text.data(), n, &n, &why),
                      why);
        return text;
    }

    /* A token as the vocabulary spells it; a view that lives as long as the model. */
    std::string_view piece(std::int32_t id) const
    {
        const char *text = nullptr;
        std::int64_t n = 0;
        detail::failure why;

        detail::check(pith_token_piece(get(), id, &text, &n, &why), why);
        return { text, detail::size(n) };
    }

    pith_model *get() const noexcept { return handle_.get(); }

private:
    struct release {
        void operator()(pith_model *m) const noexcept { pith_model_release(m); }
    };

    explicit model(pith_model *owned) noexcept : handle_(owned) {}
    template <class Open> model(const Open &how, std::nullptr_t) { open(how); }

    template <class Open> void open(const Open &how)
    {
        pith_model *m = nullptr;
        detail::failure why;

        check_version();
        detail::check(how(&m, &why), why);
        handle_.reset(m);
    }

    std::unique_ptr<pith_model, release> handle_;
};

/* ---- generation --------------------------------------------------------------------------- */

enum class finish : std::int32_t {
    none = PITH_FINISH_NONE,
    eos = PITH_FINISH_EOS,
    stop = PITH_FINISH_STOP,
    length = PITH_FINISH_LENGTH,
    context = PITH_FINISH_CONTEXT
};

/* One token. The text is a view of whole code points, borrowed until the next event or call
 * on the session; it may be empty. The last event says why generation ended. */
struct event {
    std::string_view text;
    std::int32_t token = -1; /* -1 in a last event that brings none */
    double logprob = 0;      /* the model's own, before sampling options */
    pith::finish finish = pith::finish::none;
};

/* What generate() began: an input range of events, to be walked once. Leaving it early is fine;
 * the session keeps what was generated. It must not outlive its session. */
class generation {
public:
    class sentinel {};

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = event;
        using difference_type = std::ptrdiff_t;
        using pointer = const event *;
        using reference = const event &;

        explicit iterator(generation *of) noexcept : of_(of) {}
        reference operator*() const noexcept { return of_->event_; }
        pointer operator->() const noexcept { return &of_->event_; }

        iterator &operator++()
        {
            of_->step();
            return *this;
        }

        void operator++(int) { of_->step(); }

        bool ended() const noexcept { return of_->ended_; }

        friend bool operator==(const iterator &i, sentinel) noexcept { return i.ended(); }
        friend bool operator!=(const iterator &i, sentinel) noexcept { return !i.ended(); }
#if !defined(__cpp_impl_three_way_comparison)
        friend bool operator==(sentinel, const iterator &i) noexcept { return i.ended(); }
        friend bool operator!=(sentinel, const iterator &i) noexcept { return !i.ended(); }
#endif

    private:
        generation *of_;
    };

    /* Takes the first event, or the next one if the range was left before. Throws as
     * pith_generate_next fails; after status::cancelled it may be called again. */
    iterator begin()
    {
        step();
        return iterator(this);
    }

    sentinel end() const noexcept { return {}; }

private:
    friend class session;

    explicit generation(pith_session *session) noexcept : session_(session) {}

    void step()
    {
        const pith_event *next = nullptr;
        const char *text = nullptr;
        std::int64_t n = 0;
        detail::failure why;

        ended_ = detail::check(pith_generate_next(session_, &next, &why), why) == PITH_END;
        pith_event_text(next, &text, &n);
        event_ = { { text, detail::size(n) }, pith_event_token(next), pith_event_logprob(next),
                   static_cast<pith::finish>(pith_event_finish(next)) };
    }

    pith_session *session_;
    bool ended_ = false;
    event event_;
};

/* ---- session ------------------------------------------------------------------------------ */

struct scored {
    double logprob;
    std::int64_t tokens;
};

class session {
public:
    explicit session(const model &of, const options &with = {})
    {
        pith_session *s = nullptr;
        detail::failure why;

        detail::check(pith_session_open(&s, of.get(), with.get(), &why), why);
        handle_.reset(s);
        vocabulary_ = detail::size(of.vocabulary());
    }

    std::int64_t position() const noexcept { return pith_session_position(get()); }
    std::int64_t capacity() const noexcept { return pith_session_capacity(get()); }

    void feed(token_view ids)
    {
        detail::failure why;

        detail::check(pith_session_feed(get(), ids.data(), count(ids), &why), why);
    }

    /* The same, and gives the logits of every position, [ids][vocabulary] in one vector. */
    std::vector<float> evaluate(token_view ids)
    {
        std::vector<float> logits(ids.size() * vocabulary_ + 1);
        detail::failure why;

        detail::check(pith_session_evaluate(get(), ids.data(), count(ids), logits.data(), &why),
                      why);
        logits.pop_back(); /* was there so that data() is never null */
        return logits;
    }

    /* The logits after the last token: a view that lives until the next call on the session. */
    view<const float> logits() const
    {
        const float *data = nullptr;
        detail::failure why;

        detail::check(pith_session_logits(get(), &data, &why), why);
        return { data, vocabulary_ };
    }

    void rewind(std::int64_t position = 0)
    {
        detail::failure why;

        detail::check(pith_session_rewind(get(), position, &why), why);
    }

    /* From any thread, or a signal handler: the call now running, or else the next, throws
     * status::cancelled. */
    void cancel() const noexcept { pith_session_cancel(get()); }

    /* Reads the prompt and begins to continue it. Not for a temporary session, which would end
     * before the loop over its events. */
    generation generate(std::string_view prompt, const options &with = {}) &
    {
        detail::failure why;

        detail::check(pith_generate(get(), detail::data(prompt), detail::length(prompt),
                                    with.get(), &why), why);
        return generation(get());
    }

    /* Begins to write what stands between a prefix and a suffix. */
    generation infill(std::string_view prefix, std::string_view suffix, const options &with = {}) &
    {
        detail::failure why;

        detail::check(pith_infill(get(), detail::data(prefix), detail::length(prefix),
                                  detail::data(suffix), detail::length(suffix), with.get(), &why),
                      why);
        return generation(get());
    }

    /* The whole continuation at once. */
    std::string complete(std::string_view prompt, const options &with = {})
    {
        std::string text;

        for (auto &&event : generate(prompt, with))
            text.append(event.text);
        return text;
    }

    /* The probability of each label for each text, [texts][labels]. */
    std::vector<std::vector<float>> classify(const strings &texts, const strings &labels,
                                             const options &with = {})
    {
        std::size_t n = detail::size(texts.size()), m = detail::size(labels.size());
        std::vector<float> all(n * m + 1);
        std::vector<std::vector<float>> rows;
        detail::failure why;

        detail::check(pith_classify(get(), texts.data(), texts.offsets(), texts.size(),
                                    labels.data(), labels.offsets(), labels.size(), with.get(),
                                    all.data(), &why), why);
        for (const float *row = all.data(); rows.size() < n; row += m)
            rows.emplace_back(row, row + m);
        return rows;
    }

    /* The log-probability of a text after a prompt. */
    scored score(std::string_view prompt, std::string_view text)
    {
        scored result{ 0, 0 };
        detail::failure why;

        detail::check(pith_score(get(), detail::data(prompt), detail::length(prompt),
                                 detail::data(text), detail::length(text), &result.logprob,
                                 &result.tokens, &why), why);
        return result;
    }

    /* The log-probability of each token but the first. */
    std::vector<double> score(token_view ids)
    {
        std::vector<double> logprobs(ids.size() + 1);
        detail::failure why;

        detail::check(pith_score_tokens(get(), ids.data(), count(ids), logprobs.data(), &why),
                      why);
        logprobs.resize(ids.size() - 1);
        return logprobs;
    }

    pith_session *get() const noexcept { return handle_.get(); }

private:
    struct release {
        void operator()(pith_session *s) const noexcept { pith_session_release(s); }
    };

    static std::int64_t count(token_view ids) noexcept
    {
        return static_cast<std::int64_t>(ids.size());
    }

    std::unique_ptr<pith_session, release> handle_;
    std::size_t vocabulary_ = 0;
};

/* ---- files -------------------------------------------------------------------------------- */

/* Writes a model file in another number format; see pith_quantize. progress must not throw, here
 * and below. */
inline void quantize(std::string_view in, std::string_view out, const std::string &type,
                     const options &with = {}, pith_progress_fn *progress = nullptr,
                     void *user = nullptr)
{
    detail::failure why;

    detail::check(pith_quantize(detail::data(in), detail::length(in), detail::data(out),
                                detail::length(out), type.c_str(), with.get(), progress, user,
                                &why), why);
}

/* Writes a Hugging Face folder as a GGUF file, in a type of quantize() or, if that is empty, as
 * stored; see pith_convert. */
inline void convert(std::string_view in, std::string_view out, const std::string &type = {},
                    const options &with = {}, pith_progress_fn *progress = nullptr,
                    void *user = nullptr)
{
    detail::failure why;

    detail::check(pith_convert(detail::data(in), detail::length(in), detail::data(out),
                               detail::length(out), type.empty() ? nullptr : type.c_str(),
                               with.get(), progress, user, &why), why);
}

} // namespace pith

#endif
