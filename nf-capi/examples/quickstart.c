/*
 * Learns from a benign capture, saves the detector, loads it, and judges another capture frame by frame (door A).
 *
 *   quickstart BENIGN JUDGED [MODEL]
 */
#include <inttypes.h>
#include <nf.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program where a call fails. News above 0 go on. */
static nf_status try(nf_status status) {
  if (status < 0) {
    fprintf(stderr, "quickstart: %s: %s\n", nf_status_name(status), nf_last_error());
    exit(1);
  }
  return status;
}

static int32_t on_progress(const nf_progress *progress, void *user) {
  int *last = user;
  if ((int)(progress->done * 10) != *last) {
    *last = (int)(progress->done * 10);
    fprintf(stderr, "%s: %.0f %%\n", progress->head, progress->done * 100);
  }
  return 0; /* anything else stops the fit */
}

static void learn(const char *benign, const char *model) {
  nf_trainer_config config = NF_TRAINER_CONFIG_INIT;
  config.false_positive_rate = 0.01; /* 1 in 100 benign sessions may alert */
  config.seed = 7;
  config.threads = NF_ALL_CORES;
  nf_trainer *trainer;
  nf_detector *detector;
  int last = -1;
  try(nf_trainer_new(&config, &trainer));
  try(nf_trainer_add_capture(trainer, benign));
  try(nf_trainer_fit(trainer, on_progress, &last, &detector)); /* fits on the past, calibrates on the rest */
  try(nf_detector_save(detector, model));
  nf_detector_free(detector);
  nf_trainer_free(trainer);
}

static void tell(nf_monitor *monitor) {
  nf_event event = NF_EVENT_INIT;
  while (try(nf_monitor_pop(monitor, &event)) == NF_OK) {
    if (event.kind != NF_EVENT_INCIDENT || event.change != NF_CHANGE_OPENED) continue;
    const char *text;
    nf_explanation *explanation;
    try(nf_monitor_text(monitor, &text));
    printf("%s\n", text);
    if (try(nf_monitor_explain(monitor, &explanation)) == NF_OK) {
      try(nf_explanation_text(explanation, &text));
      printf("  %s\n", text);
      nf_explanation_free(explanation);
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "quickstart BENIGN JUDGED [MODEL]\n");
    return 2;
  }
  const char *model = argc > 3 ? argv[3] : "quickstart.nf";
  learn(argv[1], model);

  nf_detector *detector;
  nf_capture *capture;
  nf_monitor *monitor;
  try(nf_detector_load(model, &detector));
  try(nf_monitor_new(detector, NULL, &monitor));
  try(nf_capture_open(argv[2], &capture));
  nf_frame frame = NF_FRAME_INIT;
  while (try(nf_capture_next(capture, &frame)) == NF_OK) {
    try(nf_monitor_push(monitor, &frame));
    tell(monitor);
  }
  try(nf_monitor_finish(monitor));
  tell(monitor);

  nf_stats stats = NF_STATS_INIT;
  try(nf_monitor_stats(monitor, &stats));
  printf("%" PRIu64 " frames, %" PRIu64 " sessions judged, %" PRIu64 " anomalies, %" PRIu64 " incidents\n", stats.frames,
         stats.judged, stats.anomalies, stats.incidents);
  nf_capture_free(capture);
  nf_monitor_free(monitor);
  nf_detector_free(detector);
  return 0;
}
