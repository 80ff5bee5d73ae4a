/*
 * Eight threads share one detector and push into a monitor each, and all say what one thread says. They share a detector that nobody has used yet,
 * so that what it makes at first use is made while others ask for it. At the end two threads use one monitor at once, as a program must
 * not: one of them is told so. With 0 seconds both are left out: helgrind knows locks, and takes what is kept apart by atomic numbers alone, as
 * these are, for races.
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
static pthread_barrier_t start;

/* What a detector makes when it is first asked for. */
static void first_use(void) {
  const char *card;
  nf_column column = NF_COLUMN_INIT;
  const char *names[256];
  static const double zeros[256];
  nf_table table = NF_TABLE_INIT;
  nf_row_verdict row;
  nf_context *context;
  GIVES(NF_OK, nf_detector_card(detector, &card));
  while (table.columns < 256 && nf_detector_column(detector, table.columns, &column) == NF_OK) names[table.columns++] = column.name;
  table.names = names;
  table.values = zeros;
  table.rows = 1;
  GIVES(NF_OK, nf_detector_score_rows(detector, &table, &row, 1));
  GIVES(NF_OK, nf_context_new(detector, NULL, &context));
  nf_context_free(context);
}

static void *work(void *passes) {
  pthread_barrier_wait(&start);
  first_use();
  do {
    struct told told = pass();
    CHECK(memcmp(&told, &expected, sizeof told) == 0);
    ++*(uint64_t *)passes;
  } while (time(NULL) < end);
  return NULL;
}

static nf_monitor *shared;
static pthread_barrier_t pair;

static void *push_shared(void *busy) {
  pthread_barrier_wait(&pair);
  for (size_t i = 0; i < frames.count; i++) {
    nf_status status = nf_monitor_push(shared, &frames.frames[i]);
    CHECK(status == NF_OK || status == NF_ERR_BUSY);
    if (status == NF_ERR_BUSY) CHECK(strstr(nf_last_error(), "in use by another call or thread"));
    *(uint64_t *)busy += status == NF_ERR_BUSY;
  }
  return NULL;
}

/* Gives how many calls were refused. */
static uint64_t two_threads_on_one_monitor(void) {
  pthread_t threads[2];
  uint64_t busy[2] = {0};
  nf_stats stats = NF_STATS_INIT;
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &shared));
  CHECK(pthread_barrier_init(&pair, NULL, 2) == 0);
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, push_shared, &busy[i]) == 0);
  for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  GIVES(NF_OK, nf_monitor_stats(shared, &stats));
  CHECK(stats.frames == 2 * frames.count - busy[0] - busy[1]);
  nf_monitor_free(shared);
  return busy[0] + busy[1];
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  nf_detector *loaded;
  GIVES(NF_OK, nf_detector_load(argv[1], &loaded));
  detector = loaded;
  frames = read_frames(argv[2], argc > 4 ? strtoul(argv[4], NULL, 10) : 20000);
  expected = pass();
  CHECK(expected.events > 0);
  time_t seconds = (time_t)strtol(argv[3], NULL, 10);
  if (seconds > 0) {
    nf_detector_free(loaded);
    GIVES(NF_OK, nf_detector_load(argv[1], &loaded));
    detector = loaded;
  } else {
    first_use();
  }
  CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
  end = time(NULL) + seconds;
  pthread_t threads[THREADS];
  uint64_t passes[THREADS] = {0}, all = 0;
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, &passes[i]) == 0);
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    all += passes[i];
  }
  uint64_t refused = seconds > 0 ? two_threads_on_one_monitor() : 0;
  printf("%llu passes of %zu frames, %llu events and %llu anomalies each; two threads on one monitor: %llu calls refused\n",
         (unsigned long long)all, frames.count, (unsigned long long)expected.events, (unsigned long long)expected.anomalies,
         (unsigned long long)refused);
  nf_detector_free(loaded);
  free_frames(frames);
  return 0;
}
