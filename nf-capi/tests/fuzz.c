/*
 * Calls in random order: every function of the header, on handles that are there, were never made or are at work, with numbers that
 * are no enum, sizes no struct has, and bytes that are no packet. What must hold: no crash, each status is one of the header's, failures
 * have a text and leave what they were to write, and what monitors count adds up. A seed gives the same calls.
 *
 *   fuzz MODEL CAPTURE FOLDER SEED SECONDS [CALLS]
 */
#include "kit.h"
#include <math.h>
#include <time.h>

enum { MONITORS = 3, CONTEXTS = 3, SESSIONS = 24, DETECTORS = 3 };
static nf_monitor *monitors[MONITORS];
static nf_context *contexts[CONTEXTS];
static nf_session *sessions[SESSIONS];
static nf_detector *detectors[DETECTORS];
static nf_trainer *trainer;
static nf_capture *capture;
static nf_sessions *list;
static nf_explanation *explanation;
static struct frames frames;
static uint64_t state, calls, failed;
static int64_t now = EPOCH;
static char path[4096];
static const char *model, *captured;
static uint8_t *model_bytes;
static size_t model_count;

static uint64_t any(uint64_t below) { return random_next(&state) % below; }
static int rarely(void) { return any(16) == 0; }

/* A handle of some, or sometimes none. */
#define ONE(handles, count) (rarely() ? NULL : (handles)[any(count)])

static int32_t odd_number(int32_t good) {
  static const int32_t odd[] = {-1, 0, 1, 2, 3, 4, 7, 99, INT32_MAX, INT32_MIN};
  return rarely() ? odd[any(10)] : good;
}

static size_t odd_size(size_t good) {
  const size_t odd[] = {0, 1, good - 1, good + 1, SIZE_MAX, SIZE_MAX / 2};
  return rarely() ? odd[any(6)] : good;
}

static nf_status said(nf_status status) {
  calls++;
  CHECK(strcmp(nf_status_name(status), "unknown") != 0);
  if (status < 0) {
    failed++;
    CHECK(*nf_last_error() && strchr(nf_last_error(), '\n') == NULL);
    CHECK(status != NF_ERR_PANIC && status != NF_ERR_OTHER);
  }
  return status;
}

/* That a call writes nothing where it gives nothing. */
#define WRITES(place, call)                                                             \
  do {                                                                                  \
    uint8_t before[sizeof(place)];                                                      \
    memcpy(before, &(place), sizeof before);                                            \
    if (said(call) != NF_OK) CHECK(memcmp(before, &(place), sizeof before) == 0);       \
  } while (0)

#define BOTH_WRITE(one, other, call)                                                    \
  do {                                                                                  \
    uint8_t first[sizeof(one)];                                                         \
    memcpy(first, &(one), sizeof first);                                                \
    nf_status gave = NF_OK;                                                             \
    WRITES(other, gave = (call));                                                       \
    if (gave != NF_OK) CHECK(memcmp(first, &(one), sizeof first) == 0);                 \
  } while (0)

/* A frame of the capture, of a talk, or of random bytes; now and then cut, or with wrong fields. */
static nf_frame frame(void) {
  static uint8_t bytes[2048];
  nf_frame frame = NF_FRAME_INIT;
  switch (any(4)) {
  case 0: frame = frames.frames[any(frames.count)]; break;
  case 1:
    frame.data = bytes;
    frame.captured_len = (uint32_t)any(200);
    for (uint32_t i = 0; i < frame.captured_len; i++) bytes[i] = (uint8_t)any(256);
    frame.link_type = (int32_t)any(300);
    break;
  default: frame = talk(bytes, (uint32_t)any(90), (uint16_t)(2 + any(40)), (uint16_t)(1000 + any(5)), 0);
  }
  now += (int64_t)any(50000000);
  frame.time_ns = rarely() ? (int64_t)random_next(&state) : now;
  if (rarely()) frame.captured_len = (uint32_t)any(frame.captured_len + 1);
  if (rarely()) frame.wire_len = (uint32_t)random_next(&state);
  if (rarely()) frame.data = NULL;
  if (any(64) == 0) frame.captured_len = UINT32_MAX;
  frame.link_type = odd_number(frame.link_type);
  frame.struct_size = odd_size(sizeof frame);
  return frame;
}

static nf_payload_info payload_info(void) {
  static uint8_t bytes[256];
  nf_payload_info info = NF_PAYLOAD_INFO_INIT;
  uint8_t *p = (uint8_t *)&info;
  for (size_t i = sizeof(size_t); i < sizeof info; i++) p[i] = rarely() ? (uint8_t)any(256) : 0;
  info.payload = rarely() ? NULL : bytes;
  info.payload_captured = (uint32_t)any(sizeof bytes + 1);
  if (!rarely()) info.payload_len = info.payload_captured + (uint32_t)any(100);
  info.time_ns = now += (int64_t)any(50000000);
  info.ip_version = odd_number(any(2) ? 4 : 6);
  info.protocol = odd_number((int32_t[]){6, 17, 1, 58, 132, 47}[any(6)]);
  info.fragment = odd_number(0);
  info.src[3] = (uint8_t)any(9);
  info.dst[3] = (uint8_t)any(9);
  info.src_port = (uint16_t)any(4);
  info.dst_port = 53;
  info.tcp_flags = (uint8_t)any(256);
  info.struct_size = odd_size(sizeof info);
  return info;
}

static nf_session_config session_config(void) {
  static const uint64_t looks[] = {2, 8, 8, 1, 9, 100, 2000, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  nf_session_config config = NF_SESSION_CONFIG_INIT;
  config.key = odd_number(0);
  config.vlan_in_key = odd_number(0);
  config.context = odd_number(0);
  config.tunnels = odd_number(0);
  config.look_silence = odd_number(0);
  config.idle_tcp_ns = rarely() ? (int64_t)random_next(&state) : 0;
  config.active_ns = rarely() ? NF_NEVER : 0;
  config.memory_limit = rarely() ? any(4 << 20) : 1 << 20;
  config.max_packets = rarely() ? (uint32_t)random_next(&state) : 0;
  config.look_packets = any(64) == 0 ? looks + any(4) : NULL;
  config.look_packet_count = config.look_packets ? any(6) : odd_size(0);
  config.struct_size = odd_size(sizeof config);
  return config;
}

static nf_monitor_config monitor_config(const nf_session_config *cut) {
  nf_monitor_config config = NF_MONITOR_CONFIG_INIT;
  config.sessions = any(2) ? cut : NULL;
  config.drift = odd_number(0);
  config.incident_from = rarely() ? (rarely() ? NAN : 2.5) : 0;
  config.incident_within_ns = rarely() ? (int64_t)random_next(&state) : 0;
  config.incident_most_open = rarely() ? any(5) : 0;
  config.struct_size = odd_size(sizeof config);
  return config;
}

static int32_t on_event(const nf_event *event, void *user) {
  nf_monitor *monitor = user;
  const char *text;
  CHECK(event->kind >= NF_EVENT_LOOK && event->kind <= NF_EVENT_INCIDENT);
  if (rarely()) said(nf_monitor_text(monitor, &text));
  if (rarely()) nf_monitor_free(monitor); /* refused */
  if (rarely()) said(nf_monitor_push(monitor, &frames.frames[any(frames.count)]));
  return rarely();
}

static int32_t on_progress(const nf_progress *progress, void *user) {
  size_t count;
  (void)user;
  CHECK(progress->done >= 0 && progress->done <= 1);
  GIVES(NF_ERR_BUSY, nf_trainer_sessions(trainer, &count));
  return rarely();
}

/* Replaces a handle by what a call made, or leaves it where it failed. */
#define RENEW(type, place, call)           \
  do {                                     \
    type **at = &(place);                  \
    type *made = (type *)(uintptr_t)1;     \
    if (said(call) == NF_OK) {             \
      type##_free(*at);                    \
      *at = made;                          \
    } else {                               \
      CHECK(made == (type *)(uintptr_t)1); \
    }                                      \
  } while (0)

static void counts_add_up(const nf_monitor *monitor) {
  nf_stats stats = NF_STATS_INIT;
  if (said(nf_monitor_stats(monitor, &stats)) != NF_OK) return;
  CHECK(stats.packets + stats.skipped == stats.frames && stats.ended <= stats.started);
  CHECK(stats.judged + stats.dropped <= stats.ended && stats.anomalies <= stats.judged && stats.failures == 0);
}

static void on_a_monitor(void) {
  nf_monitor *monitor = ONE(monitors, MONITORS);
  nf_event event = NF_EVENT_INIT;
  nf_frame given = frame();
  const char *text = "before";
  const nf_head_verdict *heads = NULL;
  size_t count = 77;
  event.struct_size = odd_size(sizeof event);
  switch (any(12)) {
  case 0: said(nf_monitor_advance(monitor, any(8) ? now : (int64_t)random_next(&state))); break;
  case 1: WRITES(event, nf_monitor_pop(monitor, rarely() ? NULL : &event)); break;
  case 2: said(nf_monitor_drain(monitor, rarely() ? NULL : on_event, monitor)); break;
  case 3: WRITES(text, nf_monitor_text(monitor, rarely() ? NULL : &text)); break;
  case 4: BOTH_WRITE(heads, count, nf_monitor_heads(monitor, &heads, rarely() ? NULL : &count)); break;
  case 5:
    if (any(32) == 0) RENEW(nf_explanation, explanation, nf_monitor_explain(monitor, &made));
    break;
  case 6: counts_add_up(monitor); break;
  case 7: WRITES(text, nf_monitor_skipped(monitor, &text)); break;
  case 8:
    if (rarely()) said(nf_monitor_finish(monitor));
    break;
  default: said(nf_monitor_push(monitor, rarely() ? NULL : &given));
  }
}

static void on_a_session(void) {
  nf_context *context = ONE(contexts, CONTEXTS);
  size_t which = any(SESSIONS);
  nf_session *session = rarely() ? NULL : sessions[which];
  nf_verdict verdict = NF_VERDICT_INIT;
  nf_session_summary summary = NF_SESSION_SUMMARY_INIT;
  nf_event event = NF_EVENT_INIT;
  nf_stats stats = NF_STATS_INIT;
  nf_frame given = frame();
  nf_payload_info info = payload_info();
  const char *text = "before";
  const nf_head_verdict *heads = NULL;
  size_t count = 77;
  verdict.struct_size = odd_size(sizeof verdict);
  switch (any(16)) {
  case 0: WRITES(verdict, nf_session_judge(context, session, rarely() ? NULL : &verdict)); break;
  case 1: WRITES(verdict, nf_session_end(context, session, odd_number(NF_END_FIN), any(2) ? NULL : &verdict)); break;
  case 2:
    if (any(32) == 0) RENEW(nf_explanation, explanation, nf_session_explain(context, session, &made));
    break;
  case 3:
    nf_session_free(sessions[which]);
    GIVES(NF_OK, nf_session_new(&sessions[which]));
    break;
  case 4: WRITES(event, nf_context_pop(context, &event)); break;
  case 5: WRITES(text, any(2) ? nf_context_text(context, &text) : nf_context_skipped(context, &text)); break;
  case 6: BOTH_WRITE(heads, count, nf_context_heads(context, &heads, &count)); break;
  case 7: WRITES(summary, nf_context_session(context, &summary)); break;
  case 8: WRITES(stats, nf_context_stats(context, &stats)); break;
  case 9: said(nf_context_advance(context, now)); break;
  case 10:
    if (rarely()) said(nf_context_finish(context));
    if (rarely()) RENEW(nf_explanation, explanation, nf_context_explain(context, &made));
    break;
  case 11: said(nf_session_push_payload_info(context, session, &info)); break;
  case 12:
    if (given.captured_len < 14 || !given.data) break;
    said(nf_session_push_ip(context, session, given.data + 14, given.captured_len > 2000 ? 0 : given.captured_len - 14, given.wire_len,
                            given.time_ns));
    break;
  default: said(nf_session_push_frame(context, session, &given));
  }
}

static void on_a_detector(void) {
  nf_detector *detector = ONE(detectors, DETECTORS);
  nf_column column = NF_COLUMN_INIT;
  nf_session_config config = NF_SESSION_CONFIG_INIT;
  uint32_t doors = 77;
  double rate = 77;
  float threshold = 77;
  const char *text = "before";
  switch (any(12)) {
  case 0: WRITES(doors, nf_detector_doors(detector, &doors)); break;
  case 1: BOTH_WRITE(rate, threshold, nf_detector_budget(detector, rarely() ? NULL : &rate, &threshold)); break;
  case 2: WRITES(text, nf_detector_head(detector, any(8), &text)); break;
  case 3: WRITES(column, nf_detector_column(detector, odd_size(any(120)), &column)); break;
  case 4: WRITES(config, nf_detector_session_config(detector, &config)); break;
  case 5: WRITES(text, nf_detector_card(detector, &text)); break;
  case 9: WRITES(text, nf_detector_card_json(detector, &text)); break;
  case 10: WRITES(text, nf_detector_card_html(detector, &text)); break;
  case 8:
    if (rarely() && rarely()) {
      size_t count = 0;
      if (said(nf_sessions_count(rarely() ? NULL : list, &count)) != NF_OK) break;
      nf_verdict *verdicts = calloc(count + 1, sizeof *verdicts);
      CHECK(verdicts);
      verdicts[0].struct_size = odd_size(sizeof *verdicts);
      nf_verdict first = verdicts[0];
      nf_status status = said(nf_detector_judge_all(detector, rarely() ? NULL : list, rarely() ? NULL : verdicts, odd_size(count)));
      if (status != NF_OK) CHECK(memcmp(&first, &verdicts[0], sizeof first) == 0);
      free(verdicts);
    }
    break;
  case 6:
    if (rarely()) RENEW(nf_detector, detectors[any(DETECTORS)], nf_detector_with_rate(detector, rarely() ? NAN : 0.02, &made));
    break;
  case 7:
    if (rarely() && rarely()) said(nf_detector_save(detector, rarely() ? NULL : path));
    break;
  default: {
    /* As many columns as the detector reads, or too few, of random quantities. */
    const char *names[130];
    static double values[130 * 4];
    nf_row_verdict rows[4];
    nf_table table = NF_TABLE_INIT;
    while (table.columns < 130 && nf_detector_column(detector, table.columns, &column) == NF_OK) names[table.columns++] = column.name;
    if (rarely()) table.columns = any(table.columns + 1);
    table.names = rarely() ? NULL : names;
    table.values = rarely() ? NULL : values;
    table.rows = any(5);
    for (size_t i = 0; i < table.rows * table.columns; i++) values[i] = any(999) ? (double)any(1000) : NAN;
    table.struct_size = odd_size(sizeof table);
    said(nf_detector_score_rows(detector, &table, rows, rarely() ? any(5) : table.rows));
  }
  }
}

static void on_the_rest(void) {
  nf_session_config sessions_config = session_config();
  nf_monitor_config config = monitor_config(&sessions_config);
  nf_frame given = frame();
  size_t count = 77;
  nf_session_summary summary = NF_SESSION_SUMMARY_INIT;
  nf_fact fact = NF_FACT_INIT;
  int32_t normal = 77;
  const char *text = "before";
  const double *parts = NULL;
  switch (any(16)) {
  case 0: RENEW(nf_monitor, monitors[any(MONITORS)], nf_monitor_new(ONE(detectors, DETECTORS), rarely() ? NULL : &config, &made)); break;
  case 1: RENEW(nf_context, contexts[any(CONTEXTS)], nf_context_new(ONE(detectors, DETECTORS), rarely() ? NULL : &config, &made)); break;
  case 2:
    if (!rarely()) break;
    /* Loaded whole, cut or bent. */
    if (any(2)) {
      RENEW(nf_detector, detectors[any(DETECTORS)], nf_detector_load(any(2) ? model : captured, &made));
    } else {
      size_t at = any(model_count);
      model_bytes[at] ^= 64;
      nf_detector *none = NULL;
      CHECK(said(nf_detector_from_bytes(model_bytes, any(2) ? model_count : at, &none)) == NF_ERR_MODEL_FILE && !none);
      /* With a checksum that is right, so that what reads it sees the damage: half of the time in the header. */
      model_bytes[at] ^= 64;
      at = any(any(2) ? model_count - 4 : 20000 < model_count - 4 ? 20000 : model_count - 4);
      uint8_t was = model_bytes[at];
      model_bytes[at] = (uint8_t)any(256);
      seal(model_bytes, model_count);
      if (said(nf_detector_from_bytes(model_bytes, model_count, &none)) == NF_OK) nf_detector_free(none);
      model_bytes[at] = was;
      seal(model_bytes, model_count);
    }
    break;
  case 3:
    if (rarely()) RENEW(nf_capture, capture, nf_capture_open(any(4) ? captured : model, &made));
    break;
  case 4: said(nf_capture_next(rarely() ? NULL : capture, &given)); break;
  case 5: WRITES(count, nf_sessions_count(list, &count)); break;
  case 6: WRITES(summary, nf_sessions_get(list, odd_size(any(100)), &summary)); break;
  case 7: WRITES(text, nf_explanation_text(explanation, &text)); break;
  case 8: WRITES(fact, nf_explanation_fact(explanation, any(9), &fact)); break;
  case 9: BOTH_WRITE(count, normal, nf_explanation_count(explanation, &count, any(2) ? NULL : &normal)); break;
  case 13: BOTH_WRITE(parts, count, nf_explanation_packets(explanation, &parts, rarely() ? NULL : &count)); break;
  case 14:
    CHECK(*nf_version() && nf_abi_version() == NF_ABI_VERSION && nf_has(rarely() ? NULL : "head:forest") >= 0);
    if (any(256) == 0) said(nf_trainer_add_capture(trainer, rarely() ? model : captured));
    break;
  case 10:
    if (rarely() && rarely()) {
      nf_trainer_config training = NF_TRAINER_CONFIG_INIT;
      const char *heads[] = {"forest", rarely() ? "\xff" : "rhythm"};
      training.heads = heads;
      training.head_count = odd_size(2);
      if (training.head_count > 2) training.heads = NULL;
      training.false_positive_rate = rarely() ? -1 : 0.2;
      training.struct_size = odd_size(sizeof training);
      RENEW(nf_trainer, trainer, nf_trainer_new(rarely() ? NULL : &training, &made));
    }
    break;
  case 11: said(nf_trainer_push(trainer, &given)); break;
  case 12:
    if (rarely() && rarely()) {
      nf_detector *fitted;
      if (said(nf_trainer_fit(trainer, on_progress, NULL, &fitted)) == NF_OK) nf_detector_free(fitted);
    } else if (rarely() && rarely()) {
      said(nf_trainer_hold_out(trainer));
    }
    break;
  default: WRITES(count, nf_trainer_sessions(trainer, &count));
  }
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  model = argv[1];
  captured = argv[2];
  snprintf(path, sizeof path, "%s/fuzz.nf", argv[3]);
  uint64_t seed = state = strtoull(argv[4], NULL, 10);
  double seconds = strtod(argv[5], NULL);
  uint64_t most = argc > 6 ? strtoull(argv[6], NULL, 10) : UINT64_MAX;
  FILE *file = fopen(model, "rb");
  CHECK(file && fseek(file, 0, SEEK_END) == 0);
  model_count = (size_t)ftell(file);
  rewind(file);
  model_bytes = malloc(model_count);
  CHECK(model_bytes && fread(model_bytes, 1, model_count, file) == model_count);
  fclose(file);
  frames = read_frames(captured, 3000);
  nf_trainer_config training = NF_TRAINER_CONFIG_INIT;
  const char *heads[] = {"rhythm"};
  training.heads = heads;
  training.head_count = 1;
  training.false_positive_rate = 0.2;
  GIVES(NF_OK, nf_trainer_new(&training, &trainer));
  GIVES(NF_OK, nf_detector_load(model, &detectors[0]));
  GIVES(NF_OK, nf_sessions_read(captured, NULL, 0, &list));
  for (int i = 0; i < SESSIONS; i++) GIVES(NF_OK, nf_session_new(&sessions[i]));
  for (int i = 0; i < MONITORS; i++) GIVES(NF_OK, nf_monitor_new(detectors[0], NULL, &monitors[i]));
  for (int i = 0; i < CONTEXTS; i++) GIVES(NF_OK, nf_context_new(detectors[0], NULL, &contexts[i]));

  time_t end = time(NULL) + (time_t)seconds;
  while (calls < most && time(NULL) < end) {
    switch (any(8)) {
    case 0: case 1: case 2: on_a_monitor(); break;
    case 3: case 4: case 5: on_a_session(); break;
    case 6: on_a_detector(); break;
    default: on_the_rest();
    }
  }
  for (int i = 0; i < MONITORS; i++) {
    counts_add_up(monitors[i]);
    nf_monitor_free(monitors[i]);
  }
  for (int i = 0; i < CONTEXTS; i++) nf_context_free(contexts[i]);
  for (int i = 0; i < SESSIONS; i++) nf_session_free(sessions[i]);
  for (int i = 0; i < DETECTORS; i++) nf_detector_free(detectors[i]);
  nf_trainer_free(trainer);
  nf_capture_free(capture);
  nf_sessions_free(list);
  nf_explanation_free(explanation);
  free_frames(frames);
  free(model_bytes);
  printf("seed %llu: %llu calls, %llu of them refused\n", (unsigned long long)seed, (unsigned long long)calls,
         (unsigned long long)failed);
  CHECK(calls > 100 && failed > 0 && failed < calls / 2);
  return 0;
}
