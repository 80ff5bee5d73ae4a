// nf.hpp: owners, results, callbacks that throw. Built with exceptions and without.
//
//   owners MODEL CAPTURE
#include <cstdio>
#include <cstring>
#include <nf.hpp>

#define CHECK(what)                                                                                    \
  do {                                                                                                 \
    if (!(what)) {                                                                                     \
      std::fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #what, nf_last_error());    \
      return 1;                                                                                        \
    }                                                                                                  \
  } while (0)

static_assert(std::is_nothrow_move_constructible<nf::Detector>::value && !std::is_copy_constructible<nf::Detector>::value,
              "owners are moved");

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  auto missing = nf::Detector::load("no such file");
  CHECK(!missing.ok() && missing.status() == NF_ERR_IO && missing.text().find("no such file") != std::string::npos);

  auto loaded = nf::Detector::load(argv[1]);
  CHECK(loaded.ok());
  nf::Detector detector = std::move(loaded).value();
  CHECK(detector.card_json().front() == '{' && detector.card_html().find("</html>") != std::string_view::npos);
  CHECK(detector.card().size() > 100 && (detector.doors() & NF_DOOR_FRAMES));
  auto stricter = detector.with_rate(0.001);
  CHECK(stricter.ok() || stricter.status() == NF_ERR_DATA);

  auto sessions = nf::Sessions::read(argv[2]).value();
  auto verdicts = detector.judge(sessions).value();
  CHECK(sessions.size() > 100 && verdicts.size() == sessions.size() && verdicts.back().struct_size == sizeof(nf_verdict));
  CHECK(sessions.at(0).value().orig_packets > 0 && sessions.at(sessions.size()).status() == NF_ERR_ARGUMENT);

  // Door A, by one call after the other and by a function.
  auto monitor = nf::Monitor::make(detector).value();
  auto capture = nf::Capture::open(argv[2]).value();
  auto context = nf::Context::make(detector).value();
  auto session = nf::Session::make().value();
  auto frame = nf::init<nf_frame>();
  size_t told = 0, packets = 0, frames = 0;
  while (capture.next(frame).value()) {
    CHECK(monitor.push(frame).ok());
    if (packets < 20 && context.push(session, frame).status() == NF_OK) packets++;
    if (++frames % 256 == 0) CHECK(monitor.drain([&](const nf_event &event) { told += event.kind == NF_EVENT_VERDICT; }).ok());
  }
  monitor.finish().value();
  auto event = nf::init<nf_event>();
  bool first = true;
  // One that says stop leaves the others.
  CHECK(monitor.drain([&](const nf_event &) { return first = false; }).ok() && !first);
  while (monitor.pop(event).value()) told += event.kind == NF_EVENT_VERDICT;
  CHECK(told + 1 >= sessions.size() && monitor.stats().judged == sessions.size());

  // Door B.
  auto verdict = context.judge(session).value();
  CHECK(verdict && verdict->p_value > 0 && packets == 20);
  auto why = context.explain(session).value();
  CHECK(why && !why->text().empty() && !why->facts().empty());
  CHECK(why->packets().size() <= 20);
  auto ended = context.end(session, NF_END_FLUSHED).value();
  CHECK(ended && ended->score == verdict->score && !context.text().value().empty());
  CHECK(context.session().value()->orig_packets > 0 && context.heads().value().size() == detector.heads().size());
  CHECK(context.explain().value());
  CHECK(!context.release(session, NF_END_FLUSHED).value());
  CHECK(!context.judge(session).value());
  CHECK(context.advance(frame.time_ns).ok() && context.finish().ok() && context.stats().packets == 20);

  // Door C.
  auto none = detector.score({"no_such_column"}, {1, 2});
  CHECK(!none.ok() && none.status() == NF_ERR_SCHEMA);

  CHECK(detector.score({"a", "b"}, {1, 2, 3}).status() == NF_ERR_ARGUMENT);
  auto partial = detector.score({}, {1});
  CHECK(partial.status() == NF_ERR_ARGUMENT && partial.text().find("within a row") != std::string::npos);

  // What is only asked.
  CHECK(nf::version().size() >= 5 && nf::abi_version() == NF_ABI_VERSION && nf::has("head:forest") && !nf::has("head:none"));
  CHECK(detector.columns().size() > 1 && detector.budget().first > 0 && detector.session_config().look_packet_count > 0);
  const auto constant = nf::Sessions::read(argv[2]);
  CHECK(constant.value().size() == sessions.size());
  CHECK(monitor.skipped().ok() && context.skipped().value().empty());

  // Training that is stopped, and a callback that throws.
  auto config = nf::init<nf_trainer_config>();
  const char *heads[] = {"forest"};
  config.heads = heads;
  config.head_count = 1;
  config.false_positive_rate = 0.1;
  auto trainer = nf::Trainer::make(&config).value();
  CHECK(trainer.add(argv[2]).ok() && trainer.sessions() > 100);
  auto stopped = trainer.fit([](const nf_progress &) { return false; });
  CHECK(!stopped.ok() && stopped.status() == NF_ERR_CANCELED);
#ifndef NF_NO_EXCEPTIONS
  bool thrown = false;
  try {
    (void)trainer.fit([](const nf_progress &progress) { throw std::runtime_error(progress.head); });
  } catch (const std::runtime_error &error) {
    thrown = std::strcmp(error.what(), "forest") == 0;
  }
  CHECK(thrown);
  try {
    nf::Detector::load("no such file").value();
    return 1;
  } catch (const nf::Error &error) {
    CHECK(error.status() == NF_ERR_IO && std::strstr(error.what(), "no such file"));
  }
#endif
  CHECK(trainer.fit().ok());
  std::puts("done");
  return 0;
}
