/*
 * Eight threads share one detector and push into a monitor each, and all say what one thread says.
 *
 *   threads MODEL CAPTURE SECONDS [FRAMES]
 */
#include "kit.h"
#include <pthread.h>
#include <time.h>

enum { THREADS = 8 };
static const nf_detector *detector;
static struct frames frames;
static time_t end;

/* What came of one pass: how many events, and a sum over the bits of all scores. */
struct told {
  uint64_t events, anomalies, sum;
};

static struct told pass(void) {
  struct told told = {0, 0, 0};
  nf_monitor *monitor;
  nf_event event = NF_EVENT_INIT;
  const char *card;
  nf_row_verdict row;
  nf_table none = NF_TABLE_INIT;
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  for (size_t i = 0; i <= frames.count; i++) {
    GIVES(NF_OK, i < frames.count ? nf_monitor_push(monitor, &frames.frames[i]) : nf_monitor_finish(monitor));
    while (nf_monitor_pop(monitor, &event) == NF_OK) {
      uint32_t bits;
      memcpy(&bits, &event.verdict.score, sizeof bits);
      told.events++;
      told.anomalies += (uint64_t)event.verdict.anomaly;
      told.sum = told.sum * 31 + bits;
    }
    if (i % 512 == 0) { /* a failure's text is the thread's own */
      GIVES(NF_OK, nf_detector_card(detector, &card));
      FAILS(NF_ERR_ARGUMENT, "count is 1", nf_detector_score_rows(detector, &none, &row, 1));
    }
  }
  nf_monitor_free(monitor);
  return told;
}

static struct told expected;

static void *work(void *passes) {
  do {
    struct told told = pass();
    CHECK(memcmp(&told, &expected, sizeof told) == 0);
    ++*(uint64_t *)passes;
  } while (time(NULL) < end);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  nf_detector *loaded;
  GIVES(NF_OK, nf_detector_load(argv[1], &loaded));
  detector = loaded;
  frames = read_frames(argv[2], argc > 4 ? strtoul(argv[4], NULL, 10) : 20000);
  expected = pass();
  CHECK(expected.events > 0);
  end = time(NULL) + (time_t)strtol(argv[3], NULL, 10);
  pthread_t threads[THREADS];
  uint64_t passes[THREADS] = {0}, all = 0;
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, &passes[i]) == 0);
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    all += passes[i];
  }
  printf("%llu passes of %zu frames, %llu events and %llu anomalies each\n", (unsigned long long)all, frames.count,
         (unsigned long long)expected.events, (unsigned long long)expected.anomalies);
  nf_detector_free(loaded);
  free_frames(frames);
  return 0;
}
