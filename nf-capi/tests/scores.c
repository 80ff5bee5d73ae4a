/*
 * Scores as bits, to be held against Rust's and Python's: fits the default detector with seed 7 on one capture, judges another, and writes
 * the bits of each session's deciding score, a line each. The monitor (door A) must say the same.
 *
 *   scores BENIGN JUDGED
 */
#include "kit.h"
#include <inttypes.h>

static uint32_t bits(float score) {
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  return bits;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  nf_trainer_config config = NF_TRAINER_CONFIG_INIT;
  config.seed = 7;
  config.threads = NF_ALL_CORES;
  nf_trainer *trainer;
  nf_detector *detector;
  GIVES(NF_OK, nf_trainer_new(&config, &trainer));
  GIVES(NF_OK, nf_trainer_add_capture(trainer, argv[1]));
  GIVES(NF_OK, nf_trainer_fit(trainer, NULL, NULL, &detector));
  nf_trainer_free(trainer);

  nf_sessions *sessions;
  size_t count;
  GIVES(NF_OK, nf_sessions_read(argv[2], NULL, NF_ALL_CORES, &sessions));
  GIVES(NF_OK, nf_sessions_count(sessions, &count));
  nf_verdict *verdicts = calloc(count, sizeof *verdicts);
  CHECK(verdicts && count > 0);
  verdicts[0].struct_size = sizeof *verdicts;
  GIVES(NF_OK, nf_detector_judge_all(detector, sessions, verdicts, count));
  for (size_t i = 0; i < count; i++) printf("%08" PRIx32 "\n", bits(verdicts[i].score));

  nf_monitor *monitor;
  nf_capture *capture;
  nf_frame frame = NF_FRAME_INIT;
  nf_event event = NF_EVENT_INIT;
  size_t at = 0;
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  GIVES(NF_OK, nf_capture_open(argv[2], &capture));
  for (int more = 1; more;) {
    more = nf_capture_next(capture, &frame) == NF_OK;
    GIVES(NF_OK, more ? nf_monitor_push(monitor, &frame) : nf_monitor_finish(monitor));
    while (nf_monitor_pop(monitor, &event) == NF_OK) {
      if (event.kind != NF_EVENT_VERDICT) continue;
      nf_session_summary session = NF_SESSION_SUMMARY_INIT;
      GIVES(NF_OK, nf_sessions_get(sessions, at, &session));
      CHECK(session.start_ns == event.session.start_ns && session.orig_port == event.session.orig_port);
      CHECK(bits(event.verdict.score) == bits(verdicts[at].score) && event.verdict.p_value == verdicts[at].p_value);
      CHECK(event.verdict.anomaly == verdicts[at].anomaly && event.verdict.at_ns == verdicts[at].at_ns);
      at++;
    }
  }
  CHECK(at == count);
  free(verdicts);
  nf_capture_free(capture);
  nf_monitor_free(monitor);
  nf_sessions_free(sessions);
  nf_detector_free(detector);
  return 0;
}
