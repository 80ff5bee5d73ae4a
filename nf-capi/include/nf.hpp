/*
 * neural-filter for C++17: nf.h with owners and results. Everything is inline; nothing is added to what nf.h says of units,
 * threads and errors.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Calls give an nf::Result. Programs with exceptions say `.value()`, which throws nf::Error; those without ask `.ok()` first
 * (with -fno-exceptions, or NF_NO_EXCEPTIONS defined, `.value()` of a failure ends the program with its text). A failure that nobody looks at
 * is a warning of the compiler.
 *
 * A callback must not end the owner that runs it, by assignment, reset or its end of life: nf_X_free refuses a handle that is at work, and as the
 * owner has let go of it by then, its memory is lost.
 */
#ifndef NF_HPP
#define NF_HPP

#include "nf.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if !defined(NF_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define NF_NO_EXCEPTIONS
#endif
#ifndef NF_NO_EXCEPTIONS
#include <exception>
#include <stdexcept>
#endif

namespace nf {

/// A struct of nf.h as it starts: `auto frame = nf::init<nf_frame>();`
template <class T> T init() noexcept {
  T value{};
  value.struct_size = sizeof(T);
  if constexpr (std::is_same_v<T, nf_event>) {
    value.session.struct_size = sizeof value.session;
    value.verdict.struct_size = sizeof value.verdict;
  }
  return value;
}

/// The version of the library, and of its interface, which must be that of this header: NF_ABI_VERSION.
inline std::string_view version() noexcept { return nf_version(); }
inline uint32_t abi_version() noexcept { return nf_abi_version(); }
/// Whether the library has a part: "neural", "head:NAME".
inline bool has(const char *part) noexcept { return nf_has(part) != 0; }

#ifndef NF_NO_EXCEPTIONS
/// What a failed call throws.
class Error : public std::runtime_error {
public:
  Error(nf_status status, const std::string &text) : std::runtime_error(text), status_(status) {}
  nf_status status() const noexcept { return status_; }

private:
  nf_status status_;
};
#endif

[[noreturn]] inline void fail(nf_status status, const std::string &text) {
#ifndef NF_NO_EXCEPTIONS
  throw Error(status, text);
#else
  std::fprintf(stderr, "neural-filter: %s: %s\n", nf_status_name(status), text.c_str());
  std::abort();
#endif
}

/// What a call comes to: a value, or a status below 0 with its text.
template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : value_(std::move(value)) {}
  static Result failed(nf_status status, const char *text = nf_last_error()) { return Result(status, text); }

  bool ok() const noexcept { return value_.has_value(); }
  nf_status status() const noexcept { return status_; }
  const std::string &text() const noexcept { return text_; }
  /// The value; of a failure see above.
  T value() && {
    if (!value_) fail(status_, text_);
    return std::move(*value_);
  }
  T &value() & {
    if (!value_) fail(status_, text_);
    return *value_;
  }
  const T &value() const & {
    if (!value_) fail(status_, text_);
    return *value_;
  }

private:
  Result(nf_status status, const char *text) : status_(status), text_(text) {}

  std::optional<T> value_;
  nf_status status_ = NF_OK;
  std::string text_;
};

/// What a call without a value comes to. Nothing is allocated where it is done.
template <> class [[nodiscard]] Result<void> {
public:
  Result(nf_status status) : status_(status), text_(status < 0 ? nf_last_error() : "") {}

  bool ok() const noexcept { return status_ >= 0; }
  /// NF_OK, or news (NF_EMPTY, NF_SKIPPED), or an error.
  nf_status status() const noexcept { return status_; }
  const std::string &text() const noexcept { return text_; }
  void value() const {
    if (!ok()) fail(status_, text_);
  }

private:
  nf_status status_;
  std::string text_;
};

/// Whether there was something (NF_OK) or nothing (NF_EMPTY).
inline Result<bool> some(nf_status status) {
  if (status < 0) return Result<bool>::failed(status);
  return status == NF_OK;
}

template <class T, void (*Free)(T *)> struct Freed {
  void operator()(T *handle) const noexcept { Free(handle); }
};
template <class T, void (*Free)(T *)> using Owner = std::unique_ptr<T, Freed<T, Free>>;

/// Wraps what a call of nf.h hands over, its last parameter.
template <class T, class Handle, class Call> Result<T> owned(Call call) {
  Handle *handle = nullptr;
  const nf_status status = call(&handle);
  if (status < 0) return Result<T>::failed(status);
  return T(handle);
}

/// As `owned`; nothing where the call says NF_EMPTY.
template <class T, class Handle, class Call> Result<std::optional<T>> owned_if(Call call) {
  Handle *handle = nullptr;
  const nf_status status = call(&handle);
  if (status < 0) return Result<std::optional<T>>::failed(status);
  return handle ? std::optional<T>(T(handle)) : std::nullopt;
}

/// A text that a call of nf.h gives; "" where there is none.
template <class Call> Result<std::string_view> text(Call call) {
  const char *text = "";
  const nf_status status = call(&text);
  if (status < 0) return Result<std::string_view>::failed(status);
  return std::string_view(text);
}

/// An array that a call of nf.h gives, copied; empty where there is none. What texts in it point to stays the library's.
template <class T, class Call> Result<std::vector<T>> listed(Call call) {
  const T *first = nullptr;
  size_t count = 0;
  const nf_status status = call(&first, &count);
  if (status < 0) return Result<std::vector<T>>::failed(status);
  return status == NF_OK ? std::vector<T>(first, first + count) : std::vector<T>();
}

/// A struct that a call of nf.h fills; nothing where it says NF_EMPTY.
template <class T, class Call> Result<std::optional<T>> filled(Call call) {
  T value = init<T>();
  const nf_status status = call(&value);
  if (status < 0) return Result<std::optional<T>>::failed(status);
  return status == NF_OK ? std::optional<T>(value) : std::nullopt;
}

/// Why a verdict is what it is.
class Explanation {
public:
  explicit Explanation(nf_explanation *handle) noexcept : handle_(handle) {}
  const nf_explanation *get() const noexcept { return handle_.get(); }

  /// In lines.
  std::string_view text() const {
    return nf::text([this](const char **text) { return nf_explanation_text(get(), text); }).value();
  }
  /// Its facts, whose texts are the explanation's.
  std::vector<nf_fact> facts() const {
    size_t count = 0;
    Result<void>(nf_explanation_count(get(), &count, nullptr)).value();
    std::vector<nf_fact> facts(count, init<nf_fact>());
    for (size_t i = 0; i < count; i++) Result<void>(nf_explanation_fact(get(), i, &facts[i])).value();
    return facts;
  }
  /// Whether changing its facts made the session normal.
  bool turned_normal() const {
    size_t count = 0;
    int32_t normal = 0;
    Result<void>(nf_explanation_count(get(), &count, &normal)).value();
    return normal != 0;
  }
  /// The part of each of the session's first packets in its score; all 0 where no head reads packets.
  std::vector<double> packets() const {
    return listed<double>([this](const double **parts, size_t *count) { return nf_explanation_packets(get(), parts, count); }).value();
  }

private:
  Owner<nf_explanation, nf_explanation_free> handle_;
};

/// The sessions of a capture.
class Sessions {
public:
  explicit Sessions(nf_sessions *handle) noexcept : handle_(handle) {}
  const nf_sessions *get() const noexcept { return handle_.get(); }

  static Result<Sessions> read(const char *path, const nf_session_config *config = nullptr, uint32_t threads = 0) {
    return owned<Sessions, nf_sessions>([&](nf_sessions **out) { return nf_sessions_read(path, config, threads, out); });
  }
  size_t size() const {
    size_t count = 0;
    Result<void>(nf_sessions_count(get(), &count)).value();
    return count;
  }
  Result<nf_session_summary> at(size_t index) const {
    auto summary = init<nf_session_summary>();
    const nf_status status = nf_sessions_get(get(), index, &summary);
    if (status < 0) return Result<nf_session_summary>::failed(status);
    return summary;
  }

private:
  Owner<nf_sessions, nf_sessions_free> handle_;
};

/// A capture file, frame by frame.
class Capture {
public:
  explicit Capture(nf_capture *handle) noexcept : handle_(handle) {}

  static Result<Capture> open(const char *path) {
    return owned<Capture, nf_capture>([&](nf_capture **out) { return nf_capture_open(path, out); });
  }
  /// Whether there was one more; its bytes are the capture's until the next call.
  Result<bool> next(nf_frame &frame) { return some(nf_capture_next(handle_.get(), &frame)); }

private:
  Owner<nf_capture, nf_capture_free> handle_;
};

/// A fitted detector. It never changes, and threads may share it.
class Detector {
public:
  explicit Detector(nf_detector *handle) noexcept : handle_(handle) {}
  const nf_detector *get() const noexcept { return handle_.get(); }

  static Result<Detector> load(const char *path) {
    return owned<Detector, nf_detector>([&](nf_detector **out) { return nf_detector_load(path, out); });
  }
  static Result<Detector> from_bytes(const uint8_t *bytes, size_t count) {
    return owned<Detector, nf_detector>([&](nf_detector **out) { return nf_detector_from_bytes(bytes, count, out); });
  }
  Result<void> save(const char *path) const { return nf_detector_save(get(), path); }
  Result<Detector> with_rate(double rate) const {
    return owned<Detector, nf_detector>([&](nf_detector **out) { return nf_detector_with_rate(get(), rate, out); });
  }
  /// NF_DOOR_*, added up.
  uint32_t doors() const {
    uint32_t doors = 0;
    Result<void>(nf_detector_doors(get(), &doors)).value();
    return doors;
  }
  /// The share of benign sessions that may be called anomalies, and the cut that keeps to it.
  std::pair<double, float> budget() const {
    std::pair<double, float> budget;
    Result<void>(nf_detector_budget(get(), &budget.first, &budget.second)).value();
    return budget;
  }
  /// The names of its heads, in the order of the verdicts'.
  std::vector<std::string_view> heads() const {
    std::vector<std::string_view> heads;
    for (const char *name; nf_detector_head(get(), heads.size(), &name) == NF_OK;) heads.emplace_back(name);
    return heads;
  }
  /// The columns that door C reads; their texts are the detector's.
  std::vector<nf_column> columns() const {
    std::vector<nf_column> columns;
    for (auto column = init<nf_column>(); nf_detector_column(get(), columns.size(), &column) == NF_OK;) columns.push_back(column);
    return columns;
  }
  /// How the sessions of its training were cut; `look_packets` is the detector's.
  nf_session_config session_config() const {
    auto config = init<nf_session_config>();
    Result<void>(nf_detector_session_config(get(), &config)).value();
    return config;
  }
  std::string_view card() const {
    return nf::text([this](const char **text) { return nf_detector_card(get(), text); }).value();
  }
  std::string_view card_json() const {
    return nf::text([this](const char **json) { return nf_detector_card_json(get(), json); }).value();
  }
  std::string_view card_html() const {
    return nf::text([this](const char **html) { return nf_detector_card_html(get(), html); }).value();
  }
  Result<std::vector<nf_verdict>> judge(const Sessions &sessions) const {
    std::vector<nf_verdict> verdicts(sessions.size(), init<nf_verdict>());
    const nf_status status = nf_detector_judge_all(get(), sessions.get(), verdicts.data(), verdicts.size());
    if (status < 0) return Result<std::vector<nf_verdict>>::failed(status);
    return verdicts;
  }
  /// Door C: `values` are rows of as many quantities as there are names. NF_ERR_ARGUMENT where the last row is not whole.
  Result<std::vector<nf_row_verdict>> score(const std::vector<const char *> &names, const std::vector<double> &values) const {
    if (names.empty() ? !values.empty() : values.size() % names.size() != 0)
      return Result<std::vector<nf_row_verdict>>::failed(NF_ERR_ARGUMENT, "values end within a row, they must be whole rows of as many as names");
    auto table = init<nf_table>();
    table.names = names.data();
    table.columns = names.size();
    table.values = values.data();
    table.rows = names.empty() ? 0 : values.size() / names.size();
    std::vector<nf_row_verdict> verdicts(table.rows);
    const nf_status status = nf_detector_score_rows(get(), &table, verdicts.data(), verdicts.size());
    if (status < 0) return Result<std::vector<nf_row_verdict>>::failed(status);
    return verdicts;
  }

private:
  Owner<nf_detector, nf_detector_free> handle_;
};

/// Runs a C++ function as a callback of nf.h: what it throws goes on behind the call.
template <class F> class Callback {
public:
  explicit Callback(F &function) : function_(function) {}

  template <class T> static int32_t call(const T *told, void *user) noexcept {
    auto *self = static_cast<Callback *>(user);
#ifndef NF_NO_EXCEPTIONS
    try {
      return self->run(*told);
    } catch (...) {
      self->thrown_ = std::current_exception();
      return 1;
    }
#else
    return self->run(*told);
#endif
  }
  void rethrow() {
#ifndef NF_NO_EXCEPTIONS
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
#endif
  }

private:
  /// A function that gives a bool says whether to go on. Any other value could mean either, as in C 0 goes on.
  template <class T> int32_t run(const T &told) {
    using Given = std::invoke_result_t<F &, const T &>;
    static_assert(std::is_void_v<Given> || std::is_same_v<Given, bool>, "a callback gives nothing, or a bool: whether to go on");
    if constexpr (std::is_same_v<Given, bool>) {
      return function_(told) ? 0 : 1;
    } else {
      function_(told);
      return 0;
    }
  }

  F &function_;
#ifndef NF_NO_EXCEPTIONS
  std::exception_ptr thrown_;
#endif
};

/// Learns a detector from benign traffic.
class Trainer {
public:
  explicit Trainer(nf_trainer *handle) noexcept : handle_(handle) {}

  static Result<Trainer> make(const nf_trainer_config *config = nullptr) {
    return owned<Trainer, nf_trainer>([&](nf_trainer **out) { return nf_trainer_new(config, out); });
  }
  Result<void> push(const nf_frame &frame) { return nf_trainer_push(handle_.get(), &frame); }
  Result<void> add(const char *path) { return nf_trainer_add_capture(handle_.get(), path); }
  Result<void> hold_out() { return nf_trainer_hold_out(handle_.get()); }
  /// How many sessions have ended so far.
  size_t sessions() const {
    size_t count = 0;
    Result<void>(nf_trainer_sessions(handle_.get(), &count)).value();
    return count;
  }
  Result<Detector> fit() {
    return owned<Detector, nf_detector>([&](nf_detector **out) { return nf_trainer_fit(handle_.get(), nullptr, nullptr, out); });
  }
  /// `progress(const nf_progress &)`; where it gives a bool, false stops the fit.
  template <class F> Result<Detector> fit(F &&progress) {
    Callback<std::remove_reference_t<F>> callback(progress);
    auto fitted = owned<Detector, nf_detector>([&](nf_detector **out) {
      return nf_trainer_fit(handle_.get(), &Callback<std::remove_reference_t<F>>::template call<nf_progress>, &callback, out);
    });
    callback.rethrow();
    return fitted;
  }

private:
  Owner<nf_trainer, nf_trainer_free> handle_;
};

/// Door A: frames in, events out.
class Monitor {
public:
  explicit Monitor(nf_monitor *handle) noexcept : handle_(handle) {}

  static Result<Monitor> make(const Detector &detector, const nf_monitor_config *config = nullptr) {
    return owned<Monitor, nf_monitor>([&](nf_monitor **out) { return nf_monitor_new(detector.get(), config, out); });
  }
  Result<void> push(const nf_frame &frame) { return nf_monitor_push(handle_.get(), &frame); }
  Result<void> advance(int64_t now_ns) { return nf_monitor_advance(handle_.get(), now_ns); }
  Result<void> finish() { return nf_monitor_finish(handle_.get()); }
  /// Whether there was an event.
  Result<bool> pop(nf_event &event) { return some(nf_monitor_pop(handle_.get(), &event)); }
  /// `on_event(const nf_event &)` for each; where it gives a bool, false leaves the others for later.
  template <class F> Result<void> drain(F &&on_event) {
    Callback<std::remove_reference_t<F>> callback(on_event);
    Result<void> done(nf_monitor_drain(handle_.get(), &Callback<std::remove_reference_t<F>>::template call<nf_event>, &callback));
    callback.rethrow();
    return done;
  }
  /// The event last popped, in one line; the monitor's until the next.
  Result<std::string_view> text() {
    return nf::text([this](const char **text) { return nf_monitor_text(handle_.get(), text); });
  }
  /// What each head says in the event last popped; empty where it has no verdict.
  Result<std::vector<nf_head_verdict>> heads() {
    return listed<nf_head_verdict>(
        [this](const nf_head_verdict **heads, size_t *count) { return nf_monitor_heads(handle_.get(), heads, count); });
  }
  /// Why frames could not be used, and how often; the monitor's until the next call.
  Result<std::string_view> skipped() {
    return nf::text([this](const char **text) { return nf_monitor_skipped(handle_.get(), text); });
  }
  /// Of the event last popped; nothing where there is nothing to explain.
  Result<std::optional<Explanation>> explain() {
    return owned_if<Explanation, nf_explanation>([this](nf_explanation **out) { return nf_monitor_explain(handle_.get(), out); });
  }
  nf_stats stats() const {
    auto stats = init<nf_stats>();
    Result<void>(nf_monitor_stats(handle_.get(), &stats)).value();
    return stats;
  }

private:
  Owner<nf_monitor, nf_monitor_free> handle_;
};

/// Door B: a session, beside the host's own flow.
class Session {
public:
  explicit Session(nf_session *handle) noexcept : handle_(handle) {}
  nf_session *get() const noexcept { return handle_.get(); }

  static Result<Session> make() {
    return owned<Session, nf_session>([](nf_session **out) { return nf_session_new(out); });
  }

private:
  Owner<nf_session, nf_session_free> handle_;
};

/// Door B: what the sessions of one worker share.
class Context {
public:
  explicit Context(nf_context *handle) noexcept : handle_(handle) {}

  static Result<Context> make(const Detector &detector, const nf_monitor_config *config = nullptr) {
    return owned<Context, nf_context>([&](nf_context **out) { return nf_context_new(detector.get(), config, out); });
  }
  Result<void> push(Session &session, const nf_frame &frame) {
    return nf_session_push_frame(handle_.get(), session.get(), &frame);
  }
  Result<void> push_ip(Session &session, const uint8_t *data, uint32_t captured_len, uint32_t wire_len, int64_t time_ns) {
    return nf_session_push_ip(handle_.get(), session.get(), data, captured_len, wire_len, time_ns);
  }
  Result<void> push(Session &session, const nf_payload_info &info) {
    return nf_session_push_payload_info(handle_.get(), session.get(), &info);
  }
  /// Nothing where the session has no packet, or was ended early for want of memory.
  Result<std::optional<nf_verdict>> judge(const Session &session) {
    return filled<nf_verdict>([&](nf_verdict *out) { return nf_session_judge(handle_.get(), session.get(), out); });
  }
  Result<std::optional<nf_verdict>> end(Session &session, nf_end_reason reason) {
    return filled<nf_verdict>([&](nf_verdict *out) { return nf_session_end(handle_.get(), session.get(), reason, out); });
  }
  /// Ends without waiting for the verdict, which comes among the events. Whether there was a session to end.
  Result<bool> release(Session &session, nf_end_reason reason) {
    return some(nf_session_end(handle_.get(), session.get(), reason, nullptr));
  }
  Result<std::optional<Explanation>> explain(const Session &session) {
    return owned_if<Explanation, nf_explanation>(
        [&](nf_explanation **out) { return nf_session_explain(handle_.get(), session.get(), out); });
  }
  Result<void> advance(int64_t now_ns) { return nf_context_advance(handle_.get(), now_ns); }
  Result<void> finish() { return nf_context_finish(handle_.get()); }
  Result<bool> pop(nf_event &event) { return some(nf_context_pop(handle_.get(), &event)); }
  /// Of what was last popped, judged or ended: in one line, the context's until the next of these;
  Result<std::string_view> text() {
    return nf::text([this](const char **text) { return nf_context_text(handle_.get(), text); });
  }
  /// its session;
  Result<std::optional<nf_session_summary>> session() const {
    return filled<nf_session_summary>([this](nf_session_summary *out) { return nf_context_session(handle_.get(), out); });
  }
  /// what each head says;
  Result<std::vector<nf_head_verdict>> heads() {
    return listed<nf_head_verdict>(
        [this](const nf_head_verdict **heads, size_t *count) { return nf_context_heads(handle_.get(), heads, count); });
  }
  /// and why.
  Result<std::optional<Explanation>> explain() {
    return owned_if<Explanation, nf_explanation>([this](nf_explanation **out) { return nf_context_explain(handle_.get(), out); });
  }
  /// Why frames could not be used, and how often; the context's until the next call.
  Result<std::string_view> skipped() {
    return nf::text([this](const char **text) { return nf_context_skipped(handle_.get(), text); });
  }
  nf_stats stats() const {
    auto stats = init<nf_stats>();
    Result<void>(nf_context_stats(handle_.get(), &stats)).value();
    return stats;
  }

private:
  Owner<nf_context, nf_context_free> handle_;
};

} // namespace nf

#endif // NF_HPP
