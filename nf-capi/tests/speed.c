/*
 * What the doors cost: packets/s of door A, the time of a judge call on a session of 64 packets, rows/s of door C.
 *
 *   speed a MODEL CAPTURE      as the Rust program door_a does: prints packets per second of a core, the best of 3
 *   speed judge MODEL          prints the median and the 99th percentile of 2000 calls, in microseconds
 *                              of one core
 *   speed rows MODEL           prints rows per second of one core, the best of 5, and how many columns they have
 */
#define _POSIX_C_SOURCE 200809L
#include "kit.h"
#include <time.h>

/* This thread's time on a core: others may be at work on the machine. */
static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double best(double a, double b) { return a > b ? a : b; }

static void door_a(const nf_detector *detector, const char *path) {
  struct frames frames = read_frames(path, SIZE_MAX);
  double rate = 0;
  for (int round = 0; round < 3; round++) {
    nf_monitor *monitor;
    nf_event event = NF_EVENT_INIT;
    size_t anomalies = 0;
    GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
    double start = seconds();
    for (size_t i = 0; i < frames.count; i++) {
      if (nf_monitor_push(monitor, &frames.frames[i]) != NF_OK) exit(1);
      if (i % 64 != 0) continue;
      while (nf_monitor_pop(monitor, &event) == NF_OK) anomalies += event.kind == NF_EVENT_VERDICT && event.verdict.anomaly;
    }
    nf_monitor_finish(monitor);
    while (nf_monitor_pop(monitor, &event) == NF_OK) anomalies += event.kind == NF_EVENT_VERDICT && event.verdict.anomaly;
    rate = best(rate, (double)frames.count / (seconds() - start));
    fprintf(stderr, "%zu anomalies\n", anomalies);
    nf_monitor_free(monitor);
  }
  printf("%.0f\n", rate);
  free_frames(frames);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void judge(const nf_detector *detector) {
  enum { CALLS = 2000 };
  static double times[CALLS];
  static uint8_t bytes[2048];
  nf_context *context;
  nf_session *session;
  nf_verdict verdict = NF_VERDICT_INIT;
  GIVES(NF_OK, nf_context_new(detector, NULL, &context));
  GIVES(NF_OK, nf_session_new(&session));
  for (int call = 0; call < CALLS; call++) {
    /* Another session each time, of 64 packets, among what those before left in the context. */
    int64_t start_ns = EPOCH + call * SECOND;
    for (uint32_t i = 0; i < 64; i++) {
      nf_frame frame = talk(bytes, i, (uint16_t)(2 + call % 40), (uint16_t)(1024 + call), start_ns);
      GIVES(NF_OK, nf_session_push_frame(context, session, &frame));
    }
    double start = seconds();
    GIVES(NF_OK, nf_session_judge(context, session, &verdict));
    times[call] = (seconds() - start) * 1e6;
    GIVES(NF_OK, nf_session_end(context, session, NF_END_FIN, &verdict));
    while (nf_context_pop(context, &(nf_event)NF_EVENT_INIT) == NF_OK) {}
  }
  qsort(times, CALLS, sizeof *times, by_value);
  printf("%.0f %.0f\n", times[CALLS / 2], times[CALLS * 99 / 100]);
  nf_session_free(session);
  nf_context_free(context);
}

static void rows(const nf_detector *detector) {
  enum { ROWS = 65536, MOST = 256 };
  const char *names[MOST];
  nf_column column = NF_COLUMN_INIT;
  nf_table table = NF_TABLE_INIT;
  while (table.columns < MOST && nf_detector_column(detector, table.columns, &column) == NF_OK) names[table.columns++] = column.name;
  double *values = malloc(ROWS * table.columns * sizeof *values);
  nf_row_verdict *verdicts = malloc(ROWS * sizeof *verdicts);
  CHECK(values && verdicts);
  uint64_t state = 7;
  for (size_t i = 0; i < ROWS * table.columns; i++) values[i] = (double)(random_next(&state) % 1000) / 10;
  table.names = names;
  table.values = values;
  table.rows = ROWS;
  double rate = 0;
  for (int round = 0; round < 5; round++) {
    double start = seconds();
    GIVES(NF_OK, nf_detector_score_rows(detector, &table, verdicts, ROWS));
    rate = best(rate, ROWS / (seconds() - start));
  }
  printf("%.0f %zu\n", rate, table.columns);
  free(values);
  free(verdicts);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  nf_detector *detector;
  GIVES(NF_OK, nf_detector_load(argv[2], &detector));
  if (strcmp(argv[1], "a") == 0 && argc > 3) door_a(detector, argv[3]);
  if (strcmp(argv[1], "judge") == 0) judge(detector);
  if (strcmp(argv[1], "rows") == 0) rows(detector);
  nf_detector_free(detector);
  return 0;
}
