/*
 * Mistakes are statuses with a text, and change nothing: null pointers, lengths, numbers that are no enum, sizes, broken files,
 * handles in use.
 *
 *   api MODEL BENIGN FOLDER
 */
#include "kit.h"
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *model_path, *benign_path, *folder;
static nf_detector *detector;

/* What an out parameter holds before, to see that it is left. */
static void *const mark = (void *)(uintptr_t)0xabcd;

static char *in_folder(const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static uint8_t *read_file(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  CHECK(file && fseek(file, 0, SEEK_END) == 0);
  *count = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*count);
  CHECK(bytes && fread(bytes, 1, *count, file) == *count);
  fclose(file);
  return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

static void versions_and_names(void) {
  CHECK(nf_abi_version() == NF_ABI_VERSION && strchr(nf_version(), '.'));
  CHECK(nf_has("head:forest") == 1 && nf_has("head:none") == 0 && nf_has(NULL) == 0 && nf_has("\xff") == 0);
  CHECK(nf_has("neural") == nf_has("head:session"));
  CHECK(strcmp(nf_status_name(NF_ERR_SCHEMA), "schema") == 0 && strcmp(nf_status_name(12345), "unknown") == 0);
}

static void null_is_a_status(void) {
  void *out = mark;
  nf_frame frame = NF_FRAME_INIT;
  nf_verdict verdict = NF_VERDICT_INIT;
  nf_event event = NF_EVENT_INIT;
  nf_context *context;
  nf_monitor *monitor;
  nf_session *session;
  GIVES(NF_OK, nf_context_new(detector, NULL, &context));
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  GIVES(NF_OK, nf_session_new(&session));
  FAILS(NF_ERR_ARGUMENT, "path is null", nf_detector_load(NULL, (nf_detector **)&out));
  FAILS(NF_ERR_ARGUMENT, "detector is null", nf_detector_load(model_path, NULL));
  FAILS(NF_ERR_ARGUMENT, "bytes is null", nf_detector_from_bytes(NULL, 9, (nf_detector **)&out));
  FAILS(NF_ERR_ARGUMENT, "detector is null", nf_monitor_new(NULL, NULL, (nf_monitor **)&out));
  FAILS(NF_ERR_ARGUMENT, "detector is null", nf_context_new(NULL, NULL, (nf_context **)&out));
  FAILS(NF_ERR_ARGUMENT, "monitor is null", nf_monitor_push(NULL, &frame));
  FAILS(NF_ERR_ARGUMENT, "frame is null", nf_monitor_push(monitor, NULL));
  FAILS(NF_ERR_ARGUMENT, "event is null", nf_monitor_pop(monitor, NULL));
  FAILS(NF_ERR_ARGUMENT, "on_event is null", nf_monitor_drain(monitor, NULL, NULL));
  FAILS(NF_ERR_ARGUMENT, "monitor is null", nf_monitor_finish(NULL));
  FAILS(NF_ERR_ARGUMENT, "context is null", nf_session_push_ip(NULL, session, (const uint8_t *)"E", 1, 1, 0));
  FAILS(NF_ERR_ARGUMENT, "session is null", nf_session_judge(context, NULL, &verdict));
  FAILS(NF_ERR_ARGUMENT, "verdict is null", nf_session_judge(context, session, NULL));
  FAILS(NF_ERR_ARGUMENT, "data is null", nf_session_push_ip(context, session, NULL, 20, 20, 0));
  FAILS(NF_ERR_ARGUMENT, "trainer is null", nf_trainer_new(NULL, NULL));
  FAILS(NF_ERR_ARGUMENT, "sessions is null", nf_detector_judge_all(detector, NULL, &verdict, 1));
  FAILS(NF_ERR_ARGUMENT, "table is null", nf_detector_score_rows(detector, NULL, NULL, 0));
  CHECK(out == mark && event.kind == 0 && verdict.p_value == 0);
  /* And freeing it is nothing. */
  nf_detector_free(NULL);
  nf_monitor_free(NULL);
  nf_context_free(NULL);
  nf_session_free(NULL);
  nf_trainer_free(NULL);
  nf_capture_free(NULL);
  nf_sessions_free(NULL);
  nf_explanation_free(NULL);
  nf_session_free(session);
  nf_context_free(context);
  nf_monitor_free(monitor);
}

static void numbers_out_of_range_are_a_status(void) {
  void *out = mark;
  uint8_t bytes[2048];
  nf_frame frame = talk(bytes, 0, 2, 40000, EPOCH);
  nf_verdict verdict = NF_VERDICT_INIT;
  nf_event event = NF_EVENT_INIT;
  nf_payload_info info = NF_PAYLOAD_INFO_INIT;
  nf_monitor_config config = NF_MONITOR_CONFIG_INIT;
  nf_session_config sessions = NF_SESSION_CONFIG_INIT;
  nf_trainer_config training = NF_TRAINER_CONFIG_INIT;
  const char *text;
  nf_monitor *monitor;
  nf_context *context, *other;
  nf_session *session;
  GIVES(NF_OK, nf_monitor_new(detector, &config, &monitor));
  GIVES(NF_OK, nf_context_new(detector, &config, &context));
  GIVES(NF_OK, nf_context_new(detector, &config, &other));
  GIVES(NF_OK, nf_session_new(&session));

  frame.struct_size = 0;
  FAILS(NF_ERR_ARGUMENT, "start it with its _INIT macro", nf_monitor_push(monitor, &frame));
  frame.struct_size = SIZE_MAX;
  FAILS(NF_ERR_ARGUMENT, "a program made for a newer library", nf_monitor_push(monitor, &frame));
  frame.struct_size = sizeof frame;
  frame.reserved = 1;
  FAILS(NF_ERR_ARGUMENT, "reserved is 1, it must be 0", nf_monitor_push(monitor, &frame));
  frame.reserved = 0;
  /* One that is too long ends nothing. */
  uint8_t *long_bytes = calloc(1, 262145);
  CHECK(long_bytes);
  memcpy(long_bytes, bytes, frame.captured_len);
  frame.data = long_bytes;
  frame.captured_len = 262145;
  GIVES(NF_OK, nf_monitor_push(monitor, &frame));
  GIVES(NF_SKIPPED, nf_session_push_frame(context, session, &frame));
  frame.captured_len = 262144;
  GIVES(NF_OK, nf_monitor_push(monitor, &frame));
  GIVES(NF_OK, nf_monitor_skipped(monitor, &text));
  CHECK(strcmp(text, "1 too_long") == 0);
  GIVES(NF_OK, nf_context_skipped(context, &text));
  CHECK(strcmp(text, "1 too_long") == 0);
  free(long_bytes);
  frame = talk(bytes, 0, 2, 40000, EPOCH);
  frame.link_type = -1;
  FAILS(NF_ERR_ARGUMENT, "link_type is -1", nf_monitor_push(monitor, &frame));
  frame.link_type = 65000; /* not decoded: counted */
  GIVES(NF_OK, nf_monitor_push(monitor, &frame));
  GIVES(NF_SKIPPED, nf_session_push_frame(context, session, &frame));
  GIVES(NF_EMPTY, nf_session_judge(context, session, &verdict));
  event.struct_size = 8;
  FAILS(NF_ERR_ARGUMENT, "struct_size of nf_event is 8", nf_monitor_pop(monitor, &event));

  info.ip_version = 5;
  FAILS(NF_ERR_ARGUMENT, "ip_version is 5", nf_session_push_payload_info(context, session, &info));
  info.ip_version = 4;
  info.protocol = 256;
  FAILS(NF_ERR_ARGUMENT, "protocol is 256", nf_session_push_payload_info(context, session, &info));
  info.protocol = 6;
  info.fragment = 3;
  FAILS(NF_ERR_ARGUMENT, "fragment is 3", nf_session_push_payload_info(context, session, &info));
  info.fragment = 0;
  info.payload_captured = 4;
  FAILS(NF_ERR_ARGUMENT, "at most payload_len", nf_session_push_payload_info(context, session, &info));

  info.payload_captured = 0;
  info.protocol = 1;
  info.icmp_has_id = 7;
  FAILS(NF_ERR_ARGUMENT, "icmp_has_id is 7, it must be 0 or 1", nf_session_push_payload_info(context, session, &info));
  FAILS(NF_ERR_ARGUMENT, "wire_len is 0", nf_session_push_ip(context, session, bytes + 14, frame.captured_len - 14, 0, EPOCH));
  GIVES(NF_EMPTY, nf_session_end(context, session, NF_END_IDLE, NULL)); /* nothing began */

  frame.link_type = 1;
  GIVES(NF_OK, nf_session_push_frame(context, session, &frame));
  FAILS(NF_ERR_ARGUMENT, "another context", nf_session_push_frame(other, session, &frame));
  FAILS(NF_ERR_ARGUMENT, "another context", nf_session_judge(other, session, &verdict));
  FAILS(NF_ERR_ARGUMENT, "reason is 0", nf_session_end(context, session, NF_END_OPEN, &verdict));
  FAILS(NF_ERR_ARGUMENT, "reason is 99", nf_session_end(context, session, 99, &verdict));
  FAILS(NF_ERR_ARGUMENT, "another context", nf_session_end(other, session, NF_END_IDLE, &verdict));
  verdict.struct_size = 1;
  FAILS(NF_ERR_ARGUMENT, "struct_size", nf_session_end(context, session, NF_END_IDLE, &verdict));
  verdict.struct_size = sizeof verdict;
  GIVES(NF_OK, nf_session_end(context, session, NF_END_IDLE, &verdict)); /* it went on through all of these */
  GIVES(NF_OK, nf_session_push_frame(other, session, &frame));           /* and is as new */
  GIVES(NF_OK, nf_session_end(other, session, NF_END_IDLE, NULL));
  GIVES(NF_EMPTY, nf_session_end(other, session, NF_END_IDLE, NULL));
  CHECK(event.verdict.struct_size == sizeof event.verdict && event.session.struct_size == sizeof event.session);
  event.struct_size = sizeof event;
  GIVES(NF_OK, nf_context_pop(other, &event));
  CHECK(event.verdict.struct_size == sizeof event.verdict && event.session.struct_size == sizeof event.session);

  config.drift = 7;
  FAILS(NF_ERR_ARGUMENT, "drift is 7", nf_monitor_new(detector, &config, (nf_monitor **)&out));
  FAILS(NF_ERR_ARGUMENT, "drift is 7", nf_context_new(detector, &config, (nf_context **)&out));
  config.drift = NF_SWITCH_DEFAULT;
  config.reserved = -1;
  FAILS(NF_ERR_ARGUMENT, "must be 0", nf_monitor_new(detector, &config, (nf_monitor **)&out));
  config.reserved = 0;
  config.incident_from = -1;
  FAILS(NF_ERR_CONFIG, "from is -1", nf_monitor_new(detector, &config, (nf_monitor **)&out));
  config.incident_from = 0;
  config.incident_within_ns = NF_NEVER;
  FAILS(NF_ERR_ARGUMENT, "NF_NEVER", nf_monitor_new(detector, &config, (nf_monitor **)&out));
  config.incident_within_ns = 0;
  config.sessions = &sessions;
  sessions.memory_limit = 5;
  FAILS(NF_ERR_CONFIG, "memory_limit is 5", nf_monitor_new(detector, &config, (nf_monitor **)&out));
  sessions.memory_limit = 0;
  sessions.key = NF_KEY_HOST_PAIR; /* means something else to the detector */
  FAILS(NF_ERR_CONFIG, "as in the detector's training", nf_monitor_new(detector, &config, (nf_monitor **)&out));

  training.false_positive_rate = 2;
  FAILS(NF_ERR_CONFIG, "false_positive_rate is 2", nf_trainer_new(&training, (nf_trainer **)&out));
  training.false_positive_rate = NAN;
  FAILS(NF_ERR_CONFIG, "NaN", nf_trainer_new(&training, (nf_trainer **)&out));
  training.false_positive_rate = 0.1;
  training.alerts_per_hour = 1;
  FAILS(NF_ERR_ARGUMENT, "both set", nf_trainer_new(&training, (nf_trainer **)&out));
  training.alerts_per_hour = 0;
  const char *heads[] = {"forest", "nonsense"};
  training.heads = heads;
  training.head_count = 2;
  FAILS(NF_ERR_CONFIG, "nonsense", nf_trainer_new(&training, (nf_trainer **)&out));
  heads[1] = "\xff\xfe";
  FAILS(NF_ERR_ARGUMENT, "not UTF-8", nf_trainer_new(&training, (nf_trainer **)&out));
  heads[1] = NULL;
  FAILS(NF_ERR_ARGUMENT, "head 1 is null", nf_trainer_new(&training, (nf_trainer **)&out));
  training.head_count = SIZE_MAX;
  FAILS(NF_ERR_ARGUMENT, "more than memory holds", nf_trainer_new(&training, (nf_trainer **)&out));
  FAILS(NF_ERR_CONFIG, "rate", nf_detector_with_rate(detector, 0.9, (nf_detector **)&out));
  FAILS(NF_ERR_DATA, "more", nf_detector_with_rate(detector, 1e-9, (nf_detector **)&out));
  CHECK(out == mark);
  nf_session_free(session);
  nf_context_free(context);
  nf_context_free(other);
  nf_monitor_free(monitor);
}

/* Every cut, and a flipped bit in every part, of a model file gives a status and a text, and no detector. */
static void damaged_models_are_refused(void) {
  size_t count;
  uint8_t *bytes = read_file(model_path, &count);
  nf_detector *none = mark;
  size_t step = count / 150 + 1, refused = 0;
  for (size_t cut = 0; cut < count; cut += cut < 64 ? 1 : step) {
    GIVES(NF_ERR_MODEL_FILE, nf_detector_from_bytes(bytes, cut, &none));
    CHECK(*nf_last_error() && none == mark);
    refused++;
  }
  uint8_t *damaged = malloc(count + 1);
  for (size_t at = 0; at < count; at += at < 64 ? 1 : step) {
    memcpy(damaged, bytes, count);
    damaged[at] ^= (uint8_t)(1 << (at % 8));
    GIVES(NF_ERR_MODEL_FILE, nf_detector_from_bytes(damaged, count, &none));
    CHECK(*nf_last_error() && none == mark);
    refused++;
  }
  memcpy(damaged, bytes, count);
  damaged[count] = 0;
  GIVES(NF_ERR_MODEL_FILE, nf_detector_from_bytes(damaged, count + 1, &none));
  /* The path is in the text of those in files. */
  write_file(in_folder("cut.nf"), bytes, count / 2);
  FAILS(NF_ERR_MODEL_FILE, "cut.nf: ", nf_detector_load(in_folder("cut.nf"), &none));
  write_file(in_folder("empty.nf"), bytes, 0);
  FAILS(NF_ERR_MODEL_FILE, "empty.nf: ", nf_detector_load(in_folder("empty.nf"), &none));
  FAILS(NF_ERR_IO, "no.nf: ", nf_detector_load(in_folder("no.nf"), &none));
  FAILS(NF_ERR_MODEL_FILE, "", nf_detector_load(benign_path, &none));
  CHECK(none == mark && refused > 250);
  nf_detector *back;
  GIVES(NF_OK, nf_detector_from_bytes(bytes, count, &back));
  GIVES(NF_OK, nf_detector_save(back, in_folder("again.nf")));
  size_t again_count;
  uint8_t *again = read_file(in_folder("again.nf"), &again_count);
  CHECK(again_count == count && memcmp(again, bytes, count) == 0);
  FAILS(NF_ERR_IO, "nowhere", nf_detector_save(back, in_folder("nowhere/x.nf")));
  /* A pipe, as a device, is not replaced; through a link what it leads to is written. */
  struct stat there;
  unlink(in_folder("pipe.nf"));
  CHECK(mkfifo(in_folder("pipe.nf"), 0600) == 0);
  FAILS(NF_ERR_IO, "no regular file", nf_detector_save(back, in_folder("pipe.nf")));
  CHECK(lstat(in_folder("pipe.nf"), &there) == 0 && S_ISFIFO(there.st_mode));
  unlink(in_folder("link.nf"));
  CHECK(symlink("behind.nf", in_folder("link.nf")) == 0);
  GIVES(NF_OK, nf_detector_save(back, in_folder("link.nf")));
  CHECK(lstat(in_folder("link.nf"), &there) == 0 && S_ISLNK(there.st_mode));
  CHECK(lstat(in_folder("behind.nf"), &there) == 0 && S_ISREG(there.st_mode));
  nf_detector_free(back);
  free(again);
  free(damaged);
  free(bytes);
}

/* A damage that the checksum does not show is refused by what reads it, or gives another detector, which works. */
static void damaged_models_with_a_right_checksum_are_read(size_t places) {
  size_t count, refused = 0;
  uint8_t *bytes = read_file(model_path, &count), *damaged = malloc(count);
  CHECK(damaged && count > 1000);
  memcpy(damaged, bytes, count);
  seal(damaged, count);
  CHECK(memcmp(damaged, bytes, count) == 0); /* it is this checksum */
  size_t header = 20;
  for (int i = 7; i >= 0; i--) header = i == 7 ? bytes[19] : header << 8 | bytes[12 + i];
  CHECK(header > 500 && 20 + header < count);
  uint64_t state = 5;
  for (size_t i = 0; i < places; i++) {
    /* The first bytes, then as often the header, which is text, as what is behind it. */
    size_t at = i < 20 ? i : i % 2 ? 20 + random_next(&state) % header : 20 + header + random_next(&state) % (count - 24 - header);
    memcpy(damaged, bytes, count);
    if (i % 3) damaged[at] ^= (uint8_t)(1 << (random_next(&state) % 8));
    else damaged[at] = (uint8_t)random_next(&state);
    seal(damaged, count);
    nf_detector *read = mark;
    nf_status status = nf_detector_from_bytes(damaged, count, &read);
    if (status < 0) {
      CHECK(status != NF_ERR_PANIC && status != NF_ERR_OTHER && *nf_last_error() && read == mark);
      refused++;
      continue;
    }
    nf_monitor *monitor;
    nf_event event = NF_EVENT_INIT;
    uint8_t frame_bytes[2048];
    if (nf_monitor_new(read, NULL, &monitor) == NF_OK) {
      for (uint32_t k = 0; k < 12; k++) {
        nf_frame frame = talk(frame_bytes, k, 9, 40000, EPOCH);
        GIVES(NF_OK, nf_monitor_push(monitor, &frame));
      }
      GIVES(NF_OK, nf_monitor_finish(monitor));
      while (nf_monitor_pop(monitor, &event) == NF_OK) continue;
      CHECK(nf_monitor_pop(monitor, &event) == NF_EMPTY);
      nf_monitor_free(monitor);
    }
    nf_detector_free(read);
  }
  CHECK(refused > places / 8 && refused < places);
  free(damaged);
  free(bytes);
}

static void captures_say_where_they_are_broken(void) {
  nf_capture *capture = mark;
  nf_frame frame = NF_FRAME_INIT;
  FAILS(NF_ERR_IO, "no.pcap", nf_capture_open(in_folder("no.pcap"), &capture));
  FAILS(NF_ERR_CAPTURE, "no capture", nf_capture_open(model_path, &capture));
  CHECK(capture == mark);
  static const uint8_t cut[] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0,
                                1,    0,    0,    0,    2, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 9,    9,    9, 9, 7, 7, 7};
  write_file(in_folder("cut.pcap"), cut, sizeof cut);
  GIVES(NF_OK, nf_capture_open(in_folder("cut.pcap"), &capture));
  GIVES(NF_OK, nf_capture_next(capture, &frame));
  CHECK(frame.time_ns == SECOND + 2000 && frame.captured_len == 4 && frame.data[3] == 9 && frame.link_type == 1);
  nf_frame before = frame;
  FAILS(NF_ERR_CAPTURE, "packet 2 at byte 44 is cut off", nf_capture_next(capture, &frame));
  CHECK(memcmp(&before, &frame, sizeof frame) == 0);
  GIVES(NF_EMPTY, nf_capture_next(capture, &frame));
  nf_capture_free(capture);
  nf_sessions *sessions = mark;
  FAILS(NF_ERR_CAPTURE, "cut off", nf_sessions_read(in_folder("cut.pcap"), NULL, 0, &sessions));
  CHECK(sessions == mark);
}

struct watching {
  nf_trainer *trainer;
  int calls;
};

static int32_t stops(const nf_progress *progress, void *user) {
  struct watching *watching = user;
  size_t count;
  CHECK(progress->struct_size == sizeof *progress && *progress->head && progress->done >= 0 && progress->done <= 1);
  FAILS(NF_ERR_BUSY, "in use by another call or thread", nf_trainer_sessions(watching->trainer, &count));
  FAILS(NF_ERR_BUSY, "in use", nf_trainer_add_capture(watching->trainer, benign_path));
  nf_trainer_free(watching->trainer); /* refused */
  CHECK(strstr(nf_last_error(), "was not freed"));
  return ++watching->calls == 2;
}

static void training_can_be_stopped_and_gone_on_with(size_t most) {
  struct frames frames = read_frames(benign_path, most);
  nf_trainer_config config = NF_TRAINER_CONFIG_INIT;
  const char *heads[] = {"forest"};
  config.heads = heads;
  config.head_count = 1;
  config.seed = 3;
  config.false_positive_rate = 0.05;
  struct watching watching = {NULL, 0};
  nf_detector *fitted = mark, *two;
  size_t count;
  GIVES(NF_OK, nf_trainer_new(&config, &watching.trainer));
  FAILS(NF_ERR_DATA, "benign sessions", nf_trainer_fit(watching.trainer, NULL, NULL, &fitted));
  for (size_t i = 0; i < frames.count; i++) {
    GIVES(NF_OK, nf_trainer_push(watching.trainer, &frames.frames[i]));
    if (i == frames.count * 7 / 10) GIVES(NF_OK, nf_trainer_hold_out(watching.trainer));
  }
  FAILS(NF_ERR_ARGUMENT, "once", nf_trainer_hold_out(watching.trainer));
  FAILS(NF_ERR_CANCELED, "", nf_trainer_fit(watching.trainer, stops, &watching, &fitted));
  CHECK(watching.calls == 2 && fitted == mark);
  GIVES(NF_OK, nf_trainer_sessions(watching.trainer, &count));
  CHECK(count > 100);
  GIVES(NF_OK, nf_trainer_fit(watching.trainer, NULL, NULL, &fitted));
  GIVES(NF_OK, nf_trainer_fit(watching.trainer, NULL, NULL, &two));
  GIVES(NF_OK, nf_detector_save(fitted, in_folder("a.nf")));
  GIVES(NF_OK, nf_detector_save(two, in_folder("b.nf")));
  size_t counts[2];
  uint8_t *a = read_file(in_folder("a.nf"), &counts[0]), *b = read_file(in_folder("b.nf"), &counts[1]);
  CHECK(counts[0] == counts[1] && memcmp(a, b, counts[0]) == 0);
  const char *name, *card;
  double rate;
  GIVES(NF_OK, nf_detector_head(fitted, 0, &name));
  CHECK(strcmp(name, "forest") == 0);
  GIVES(NF_ERR_ARGUMENT, nf_detector_head(fitted, 1, &name));
  GIVES(NF_OK, nf_detector_budget(fitted, &rate, NULL));
  CHECK(rate == 0.05);
  GIVES(NF_OK, nf_detector_card(fitted, &card));
  CHECK(strstr(card, "forest"));
  GIVES(NF_OK, nf_detector_card_json(fitted, &card));
  CHECK(card[0] == '{' && strstr(card, "\"false_positive_rate\": 0.05"));
  GIVES(NF_OK, nf_detector_card_html(fitted, &card));
  CHECK(strstr(card, "<!doctype html>") == card && strstr(card, "forest"));
  GIVES(NF_ERR_ARGUMENT, nf_detector_card_json(NULL, &card));
  GIVES(NF_ERR_ARGUMENT, nf_detector_card_html(fitted, NULL));
  nf_session_config sessions = NF_SESSION_CONFIG_INIT;
  GIVES(NF_OK, nf_detector_session_config(fitted, &sessions));
  CHECK(sessions.idle_tcp_ns == 120 * SECOND && sessions.look_packet_count == 5 && sessions.look_packets[0] == 8);
  free(a);
  free(b);
  nf_detector_free(fitted);
  nf_detector_free(two);
  nf_trainer_free(watching.trainer);
  free_frames(frames);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  model_path = argv[1];
  benign_path = argv[2];
  folder = argv[3];
  CHECK(*nf_last_error() == 0);
  GIVES(NF_OK, nf_detector_load(model_path, &detector));
  versions_and_names();
  null_is_a_status();
  numbers_out_of_range_are_a_status();
  damaged_models_are_refused();
  damaged_models_with_a_right_checksum_are_read(argc > 4 ? 40 : 400);
  captures_say_where_they_are_broken();
  training_can_be_stopped_and_gone_on_with(argc > 4 ? strtoul(argv[4], NULL, 10) : 20000);
  nf_detector_free(detector);
  printf("%d checks\n", checks);
  return 0;
}
