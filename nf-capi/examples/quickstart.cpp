// Learns from a benign capture and judges another, as quickstart.c does, with owners and exceptions.
//
//   quickstart_cpp BENIGN JUDGED
#include <cstdio>
#include <exception>
#include <nf.hpp>

static void tell(nf::Monitor &monitor) {
  monitor
      .drain([&](const nf_event &event) {
        if (event.kind != NF_EVENT_INCIDENT || event.change != NF_CHANGE_OPENED) return;
        const auto text = monitor.text().value();
        std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
        if (const auto explanation = monitor.explain().value()) {
          for (const nf_fact &fact : explanation->facts()) std::printf("  %2.0f %% %s\n", fact.contribution * 100, fact.sentence);
        }
      })
      .value();
}

static void run(const char *benign, const char *judged) {
  auto config = nf::init<nf_trainer_config>();
  config.false_positive_rate = 0.01;
  config.seed = 7;
  config.threads = NF_ALL_CORES;
  auto trainer = nf::Trainer::make(&config).value();
  trainer.add(benign).value();
  auto detector = trainer.fit([](const nf_progress &progress) { return progress.done >= 0; }).value();

  auto monitor = nf::Monitor::make(detector).value();
  auto capture = nf::Capture::open(judged).value();
  for (auto frame = nf::init<nf_frame>(); capture.next(frame).value();) {
    monitor.push(frame).value();
    tell(monitor);
  }
  monitor.finish().value();
  tell(monitor);
  const auto stats = monitor.stats();
  std::printf("%llu frames, %llu sessions judged, %llu anomalies, %llu incidents\n", static_cast<unsigned long long>(stats.frames),
              static_cast<unsigned long long>(stats.judged), static_cast<unsigned long long>(stats.anomalies),
              static_cast<unsigned long long>(stats.incidents));
}

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "quickstart_cpp BENIGN JUDGED\n");
    return 2;
  }
  try {
    run(argv[1], argv[2]);
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "quickstart_cpp: %s\n", error.what());
    return 1;
  }
}
