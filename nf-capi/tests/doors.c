/*
 * The doors of a detector: the same packets are the same verdict by whatever call they come, what heads and facts say, what is counted.
 *
 *   doors MODEL JUDGED
 */
#include "kit.h"
#include <math.h>
#include <unistd.h>

static nf_detector *detector;

static void fill(nf_payload_info *info, const nf_frame *frame) {
  const uint8_t *ip = frame->data + 14, *tcp = ip + 20;
  *info = (nf_payload_info)NF_PAYLOAD_INFO_INIT;
  info->time_ns = frame->time_ns;
  info->network_len = frame->captured_len - 14;
  info->wire_len = frame->captured_len;
  info->payload = tcp + 20;
  info->payload_len = info->payload_captured = info->network_len - 40;
  info->ip_version = 4;
  info->protocol = 6;
  memcpy(info->src, ip + 12, 4);
  memcpy(info->dst, ip + 16, 4);
  info->src_port = (uint16_t)(tcp[0] << 8 | tcp[1]);
  info->dst_port = (uint16_t)(tcp[2] << 8 | tcp[3]);
  info->ttl = ip[8];
  info->tcp_flags = tcp[13];
  info->tcp_window = (uint16_t)(tcp[14] << 8 | tcp[15]);
  for (int i = 0; i < 4; i++) info->tcp_seq = info->tcp_seq << 8 | tcp[4 + i];
}

enum way { FRAME, IP, INFO, MONITOR };

/* The verdict on a talk of so many packets. */
static nf_event judged(enum way way, uint32_t packets) {
  nf_event event = NF_EVENT_INIT;
  nf_context *context;
  nf_session *session;
  nf_monitor *monitor;
  uint8_t bytes[2048];
  GIVES(NF_OK, nf_context_new(detector, NULL, &context));
  GIVES(NF_OK, nf_session_new(&session));
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  for (uint32_t i = 0; i < packets; i++) {
    nf_frame frame = talk(bytes, i, 9, 40000, EPOCH);
    nf_payload_info info;
    switch (way) {
    case FRAME: GIVES(NF_OK, nf_session_push_frame(context, session, &frame)); break;
    case IP:
      GIVES(NF_OK, nf_session_push_ip(context, session, frame.data + 14, frame.captured_len - 14, frame.captured_len, frame.time_ns));
      break;
    case INFO:
      fill(&info, &frame);
      GIVES(NF_OK, nf_session_push_payload_info(context, session, &info));
      break;
    case MONITOR: GIVES(NF_OK, nf_monitor_push(monitor, &frame)); break;
    }
  }
  if (way == MONITOR) {
    GIVES(NF_OK, nf_monitor_finish(monitor));
    do GIVES(NF_OK, nf_monitor_pop(monitor, &event));
    while (event.kind != NF_EVENT_VERDICT);
  } else {
    nf_verdict asked = NF_VERDICT_INIT, again = NF_VERDICT_INIT;
    GIVES(NF_OK, nf_session_judge(context, session, &asked));
    GIVES(NF_OK, nf_session_judge(context, session, &again));
    CHECK(memcmp(&asked, &again, sizeof asked) == 0);
    GIVES(NF_OK, nf_session_end(context, session, NF_END_FLUSHED, &event.verdict));
    GIVES(NF_OK, nf_context_session(context, &event.session));
    GIVES(NF_EMPTY, nf_session_judge(context, session, &asked));
    GIVES(NF_EMPTY, nf_session_end(context, session, NF_END_FLUSHED, &asked));
  }
  nf_monitor_free(monitor);
  nf_context_free(context);
  nf_session_free(session); /* also behind its context */
  return event;
}

static void the_same_packets_are_the_same_verdict(void) {
  for (uint32_t packets = 1; packets < 80; packets += 13) {
    nf_event by[4];
    for (int way = FRAME; way <= MONITOR; way++) by[way] = judged((enum way)way, packets);
    for (int way = IP; way <= MONITOR; way++) {
      CHECK(memcmp(&by[way].verdict.p_value, &by[FRAME].verdict.p_value, sizeof(nf_verdict) - sizeof(size_t)) == 0);
      CHECK(by[way].session.orig_payload_bytes == by[FRAME].session.orig_payload_bytes);
      CHECK(by[way].session.orig_wire_bytes == by[FRAME].session.orig_wire_bytes);
    }
    CHECK(by[FRAME].session.orig_packets + by[FRAME].session.resp_packets == packets);
    CHECK(by[FRAME].session.protocol == 6 && by[FRAME].session.resp_port == 443 && by[FRAME].session.ip_version == 4);
    CHECK(by[FRAME].session.orig_addr[0] == 10 && by[FRAME].session.orig_addr[3] == 9);
  }
}

/* A frame as it is, and as a host decodes it. */
struct decoded {
  nf_frame frame;
  nf_payload_info info;
};

/* Packet `i` of a talk whose link, network and transport are of a kind: VLAN tags, 4 or 6, a protocol number. Goes one way and back. */
static struct decoded packet(uint8_t *bytes, uint32_t i, int vlans, int version, uint8_t protocol) {
  struct decoded made = {NF_FRAME_INIT, NF_PAYLOAD_INFO_INIT};
  nf_payload_info *info = &made.info;
  uint32_t payload = 20 + 13 * i, header = protocol == 6 ? 20 : 8, ip_header = version == 4 ? 20 : 40, at = 12, back = i % 2;
  memset(bytes, 0, 1024);
  bytes[back ? 11 : 5] = 1;
  bytes[back ? 5 : 11] = 2;
  for (int tag = 0; tag < vlans; tag++, at += 4) {
    bytes[at] = 0x81;
    bytes[at + 3] = (uint8_t)(10 + tag);
    info->vlans[tag] = (uint16_t)(10 + tag);
  }
  bytes[at] = version == 4 ? 0x08 : 0x86;
  bytes[at + 1] = version == 4 ? 0x00 : 0xdd;
  uint8_t *ip = bytes + at + 2, *next = ip + ip_header;
  uint8_t length = (uint8_t)(header + payload), *src = ip + (version == 4 ? 12 : 8), *dst = src + (version == 4 ? 4 : 16);
  ip[0] = version == 4 ? 0x45 : 0x60;
  ip[version == 4 ? 3 : 5] = (uint8_t)(version == 4 ? 20 + length : length);
  ip[version == 4 ? 9 : 6] = protocol;
  ip[version == 4 ? 8 : 7] = 61;
  src[0] = dst[0] = version == 4 ? 10 : 0xfd;
  src[3] = back ? 1 : 9;
  dst[3] = back ? 9 : 1;
  if (protocol == 6 || protocol == 17) {
    info->src_port = back ? 4500 : 40000;
    info->dst_port = back ? 40000 : 4500;
    next[0] = (uint8_t)(info->src_port >> 8);
    next[1] = (uint8_t)info->src_port;
    next[2] = (uint8_t)(info->dst_port >> 8);
    next[3] = (uint8_t)info->dst_port;
  }
  if (protocol == 6) {
    next[7] = (uint8_t)(1 + 16 * i);
    next[12] = 0x50;
    next[13] = 0x18;
    next[14] = 0x10;
    info->tcp_seq = 1 + 16 * i;
    info->tcp_flags = 0x18;
    info->tcp_window = 0x1000;
  } else if (protocol == 17) {
    next[5] = length;
  } else { /* an echo and its answer */
    next[0] = info->icmp_type = (uint8_t)(protocol == 1 ? (back ? 0 : 8) : (back ? 129 : 128));
    next[5] = 77;
    info->icmp_id = 77;
    info->icmp_has_id = 1;
  }
  for (uint32_t k = 0; k < payload; k++) next[header + k] = (uint8_t)(k * 7 + i);
  made.frame.data = bytes;
  made.frame.captured_len = at + 2 + ip_header + length;
  made.frame.link_type = 1;
  made.frame.time_ns = info->time_ns = EPOCH + (int64_t)i * 20000000;
  info->payload = next + header;
  info->payload_len = info->payload_captured = payload;
  info->network_len = ip_header + length;
  info->wire_len = made.frame.captured_len;
  info->ip_version = version;
  info->protocol = protocol;
  info->ttl = 61;
  memcpy(info->src, src, version == 4 ? 4 : 16);
  memcpy(info->dst, dst, version == 4 ? 4 : 16);
  return made;
}

static nf_verdict ended(nf_context *context, nf_session *session, nf_session_summary *summary) {
  nf_verdict verdict = NF_VERDICT_INIT;
  *summary = (nf_session_summary)NF_SESSION_SUMMARY_INIT;
  GIVES(NF_OK, nf_session_end(context, session, NF_END_FLUSHED, &verdict));
  GIVES(NF_OK, nf_context_session(context, summary));
  return verdict;
}

/* What a host decoded is what the engine decodes, of each kind of packet. */
static void decoded_packets_are_the_frames(void) {
  static const struct {
    int vlans, version;
    uint8_t protocol;
  } kinds[] = {{0, 4, 6}, {0, 4, 17}, {0, 4, 1}, {0, 6, 6}, {0, 6, 17}, {0, 6, 58}, {1, 4, 17}, {2, 6, 6}};
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    nf_context *contexts[2];
    nf_session *sessions[2];
    nf_session_summary summaries[2];
    nf_verdict verdicts[2];
    uint8_t bytes[1024];
    for (int by = 0; by < 2; by++) {
      GIVES(NF_OK, nf_context_new(detector, NULL, &contexts[by]));
      GIVES(NF_OK, nf_session_new(&sessions[by]));
    }
    for (uint32_t i = 0; i < 12; i++) {
      struct decoded made = packet(bytes, i, kinds[kind].vlans, kinds[kind].version, kinds[kind].protocol);
      GIVES(NF_OK, nf_session_push_frame(contexts[0], sessions[0], &made.frame));
      GIVES(NF_OK, nf_session_push_payload_info(contexts[1], sessions[1], &made.info));
    }
    for (int by = 0; by < 2; by++) verdicts[by] = ended(contexts[by], sessions[by], &summaries[by]);
    CHECK(memcmp(&verdicts[0], &verdicts[1], sizeof *verdicts) == 0);
    CHECK(memcmp(&summaries[0], &summaries[1], sizeof *summaries) == 0);
    CHECK(summaries[0].orig_packets == 6 && summaries[0].resp_packets == 6 && summaries[0].protocol == kinds[kind].protocol);
    for (int by = 0; by < 2; by++) {
      nf_session_free(sessions[by]);
      nf_context_free(contexts[by]);
    }
  }
}

/* The numbers that systems give IP packets without a link header are one link type. */
static void raw_link_types_are_one(void) {
  static const int32_t types[] = {101, 12, 14};
  nf_verdict verdicts[3];
  nf_session_summary summaries[3];
  uint8_t bytes[1024];
  for (int k = 0; k < 3; k++) {
    nf_context *context;
    nf_session *session;
    GIVES(NF_OK, nf_context_new(detector, NULL, &context));
    GIVES(NF_OK, nf_session_new(&session));
    for (uint32_t i = 0; i < 12; i++) {
      nf_frame frame = packet(bytes, i, 0, 4, 17).frame;
      frame.data += 14;
      frame.wire_len = frame.captured_len;
      frame.captured_len -= 14;
      frame.link_type = types[k];
      GIVES(NF_OK, nf_session_push_frame(context, session, &frame));
    }
    verdicts[k] = ended(context, session, &summaries[k]);
    CHECK(memcmp(&verdicts[0], &verdicts[k], sizeof *verdicts) == 0 && memcmp(&summaries[0], &summaries[k], sizeof *summaries) == 0);
    nf_session_free(session);
    nf_context_free(context);
  }
  CHECK(summaries[0].orig_packets == 6);
}

struct seen {
  nf_monitor *monitor;
  nf_detector *detector;
  size_t events, anomalies, opened, explained;
};

static int32_t on_event(const nf_event *event, void *user) {
  struct seen *seen = user;
  const char *text = NULL;
  seen->events++;
  /* From within, the monitor answers about the event, and is not freed. */
  GIVES(NF_OK, nf_monitor_text(seen->monitor, &text));
  CHECK(text && *text);
  nf_monitor_free(seen->monitor);
  CHECK(strstr(nf_last_error(), "was not freed"));
  if (event->kind == NF_EVENT_VERDICT) {
    const nf_head_verdict *heads;
    size_t count;
    const char *name;
    GIVES(NF_OK, nf_monitor_heads(seen->monitor, &heads, &count));
    CHECK(count == event->verdict.heads && event->verdict.strangest_head < count);
    for (size_t i = 0; i < count; i++) {
      GIVES(NF_OK, nf_detector_head(seen->detector, i, &name));
      CHECK(strcmp(name, heads[i].name) == 0 && heads[i].p_value > 0 && heads[i].p_value <= 1);
    }
    CHECK(event->verdict.p_value > 0 && event->verdict.p_value <= 1);
    CHECK(event->verdict.anomaly == (event->verdict.score > event->verdict.threshold));
    seen->anomalies += (size_t)event->verdict.anomaly;
  }
  seen->opened += event->kind == NF_EVENT_INCIDENT && event->change == NF_CHANGE_OPENED;
  if (event->kind == NF_EVENT_VERDICT && event->verdict.anomaly && seen->explained < 3) {
    nf_explanation *why;
    nf_fact fact = NF_FACT_INIT;
    const double *parts;
    size_t count, packets;
    int32_t normal = -1;
    GIVES(NF_OK, nf_monitor_explain(seen->monitor, &why));
    GIVES(NF_OK, nf_explanation_count(why, &count, &normal));
    CHECK(count > 0 && (normal == 0 || normal == 1));
    for (size_t i = 0; i < count; i++) {
      GIVES(NF_OK, nf_explanation_fact(why, i, &fact));
      CHECK(*fact.name && fact.unit && fact.contribution >= 0 && fact.contribution <= 1);
      /* One that no value states any more says nothing. */
      CHECK(isnan(fact.observed) ? !*fact.sentence : *fact.sentence && fact.observed != fact.expected);
    }
    FAILS(NF_ERR_ARGUMENT, "facts", nf_explanation_fact(why, count, &fact));
    GIVES(NF_OK, nf_explanation_text(why, &text));
    CHECK(strncmp(text, "anomaly", 7) == 0);
    GIVES(NF_OK, nf_explanation_packets(why, &parts, &packets));
    nf_explanation_free(why);
    seen->explained++;
  }
  return 0;
}

static int32_t one(const nf_event *event, void *user) {
  struct seen *seen = user;
  seen->events++;
  seen->anomalies += event->kind == NF_EVENT_VERDICT && event->verdict.anomaly;
  seen->opened += event->kind == NF_EVENT_INCIDENT && event->change == NF_CHANGE_OPENED;
  return 1; /* the others are for later */
}

static void events_come_by_callback_and_one_by_one(const char *path, size_t most) {
  struct frames frames = read_frames(path, most);
  struct seen seen = {0};
  nf_event event = NF_EVENT_INIT;
  nf_stats stats = NF_STATS_INIT;
  const char *text;
  size_t popped = 0;
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &seen.monitor));
  seen.detector = detector;
  GIVES(NF_EMPTY, nf_monitor_text(seen.monitor, &text));
  for (size_t i = 0; i < frames.count; i++) {
    GIVES(NF_OK, nf_monitor_push(seen.monitor, &frames.frames[i]));
    if (i % 64 == 0) GIVES(NF_OK, nf_monitor_drain(seen.monitor, on_event, &seen));
  }
  GIVES(NF_OK, nf_monitor_finish(seen.monitor));
  size_t before = seen.events;
  GIVES(NF_OK, nf_monitor_drain(seen.monitor, one, &seen));
  CHECK(seen.events == before + 1);
  while (nf_monitor_pop(seen.monitor, &event) == NF_OK) {
    popped++;
    CHECK(event.kind >= NF_EVENT_LOOK && event.kind <= NF_EVENT_INCIDENT && event.struct_size == sizeof event);
    seen.anomalies += event.kind == NF_EVENT_VERDICT && event.verdict.anomaly;
    seen.opened += event.kind == NF_EVENT_INCIDENT && event.change == NF_CHANGE_OPENED;
  }
  CHECK(popped > 0 && nf_monitor_pop(seen.monitor, &event) == NF_EMPTY);
  GIVES(NF_OK, nf_monitor_stats(seen.monitor, &stats));
  CHECK(stats.frames == frames.count && stats.packets + stats.skipped == stats.frames);
  CHECK(stats.judged == stats.started && stats.ended == stats.started && stats.dropped == 0);
  CHECK(stats.anomalies == seen.anomalies && stats.anomalies > 0 && stats.incidents == seen.opened);
  GIVES(NF_OK, nf_monitor_skipped(seen.monitor, &text));
  CHECK((*text == 0) == (stats.skipped == 0));
  nf_monitor_free(seen.monitor);
  free_frames(frames);
}

/* A session's own columns go through door C as its packets go through the others: what one row says is what `judge_records` says. */
static void flow_records_have_verdicts_of_their_own(void) {
  uint32_t doors = 0;
  GIVES(NF_OK, nf_detector_doors(detector, &doors));
  CHECK((doors & (NF_DOOR_FRAMES | NF_DOOR_SESSIONS)) == (NF_DOOR_FRAMES | NF_DOOR_SESSIONS));
  const char *names[256];
  double values[256 * 3];
  nf_column column = NF_COLUMN_INIT;
  size_t columns = 0;
  while (nf_detector_column(detector, columns, &column) == NF_OK) {
    CHECK(*column.name && column.unit && *column.meaning && columns < 256);
    names[columns++] = column.name;
  }
  CHECK(columns > 1);
  nf_row_verdict rows[3];
  memset(rows, 0x55, sizeof rows);
  nf_row_verdict before = rows[0];
  nf_table table = NF_TABLE_INIT;
  table.names = names;
  table.columns = columns;
  table.values = values;
  table.rows = 3;
  for (size_t i = 0; i < 3 * columns; i++) values[i] = i < columns ? 0 : i < 2 * columns ? 1 : 1e6;
  if (!(doors & NF_DOOR_RECORDS)) {
    FAILS(NF_ERR_SCHEMA, "head packets", nf_detector_score_rows(detector, &table, rows, 3));
    CHECK(memcmp(&before, rows, sizeof before) == 0);
    return;
  }
  GIVES(NF_OK, nf_detector_score_rows(detector, &table, rows, 3));
  CHECK(rows[2].score > rows[0].score && rows[2].p_value <= rows[0].p_value && rows[0].p_value <= 1);
  nf_row_verdict alone;
  table.rows = 1;
  GIVES(NF_OK, nf_detector_score_rows(detector, &table, &alone, 1));
  CHECK(memcmp(&alone, &rows[0], sizeof alone) == 0);
  table.rows = 3;
  memset(rows, 0x55, sizeof rows);
  values[columns] = INFINITY;
  FAILS(NF_ERR_DATA, "row 1", nf_detector_score_rows(detector, &table, rows, 3));
  values[columns] = 0;
  table.columns = 1;
  table.rows = 3;
  FAILS(NF_ERR_SCHEMA, "head ", nf_detector_score_rows(detector, &table, rows, 3));
  FAILS(NF_ERR_ARGUMENT, "count is 2", nf_detector_score_rows(detector, &table, rows, 2));
  const char *twice[] = {names[0], names[0]};
  table.names = twice;
  table.columns = 2;
  FAILS(NF_ERR_CONFIG, "twice", nf_detector_score_rows(detector, &table, rows, 3));
  const char *bad[] = {names[0], "a\xff"};
  table.names = bad;
  FAILS(NF_ERR_ARGUMENT, "UTF-8", nf_detector_score_rows(detector, &table, rows, 3));
  CHECK(memcmp(&before, &rows[0], sizeof before) == 0 && memcmp(&before, &rows[2], sizeof before) == 0);
}

static void memory_is_capped_and_what_ends_early_is_told(void) {
  nf_session_config sessions = NF_SESSION_CONFIG_INIT;
  nf_monitor_config config = NF_MONITOR_CONFIG_INIT;
  nf_stats stats = NF_STATS_INIT;
  nf_event event = NF_EVENT_INIT;
  nf_monitor *monitor;
  nf_context *context;
  nf_session *first;
  nf_verdict verdict = NF_VERDICT_INIT;
  uint8_t bytes[256];
  sessions.memory_limit = 1 << 20;
  config.sessions = &sessions;
  config.drift = NF_SWITCH_OFF;
  GIVES(NF_OK, nf_monitor_new(detector, &config, &monitor));
  GIVES(NF_OK, nf_context_new(detector, &config, &context));
  GIVES(NF_OK, nf_session_new(&first));
  size_t evicted = 0;
  for (uint32_t i = 0; i < 6000; i++) {
    nf_frame frame = NF_FRAME_INIT;
    frame.data = bytes;
    frame.captured_len = build(bytes, 0, (uint16_t)(i + 2), 5000, 1, 53000, 0, 0, 10);
    frame.link_type = 1;
    frame.time_ns = EPOCH + i * INT64_C(1000000);
    GIVES(NF_OK, nf_monitor_push(monitor, &frame));
    nf_session *session = first;
    if (i > 0) GIVES(NF_OK, nf_session_new(&session));
    GIVES(NF_OK, nf_session_push_frame(context, session, &frame));
    if (i > 0) nf_session_free(session); /* open in the context all the same */
    if (i % 100 == 0) {
      while (nf_monitor_pop(monitor, &event) == NF_OK) evicted += event.session.end_reason == NF_END_EVICTED;
      while (nf_context_pop(context, &event) == NF_OK) evicted += event.session.end_reason == NF_END_EVICTED;
    }
  }
  GIVES(NF_OK, nf_monitor_stats(monitor, &stats));
  CHECK(stats.evicted > 100 && stats.peak_bytes < 2 << 20);
  GIVES(NF_OK, nf_context_stats(context, &stats));
  CHECK(stats.evicted > 100 && evicted > 200);
  /* The first was silent for longest. */
  GIVES(NF_EMPTY, nf_session_judge(context, first, &verdict));
  GIVES(NF_EMPTY, nf_session_end(context, first, NF_END_IDLE, &verdict));
  nf_session_free(first);
  nf_context_free(context);
  nf_monitor_free(monitor);
}

/* Bytes in memory, of this process. */
static size_t resident(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
  fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A host that asks about each session, and never pops. What alerts are explained with may come to 64 MiB, beside the limit. */
static void a_host_that_never_pops_is_capped_too(uint32_t flows) {
  nf_session_config sessions = NF_SESSION_CONFIG_INIT;
  nf_monitor_config config = NF_MONITOR_CONFIG_INIT;
  nf_stats stats = NF_STATS_INIT;
  nf_verdict verdict = NF_VERDICT_INIT;
  nf_context *context;
  nf_session *session;
  uint8_t bytes[256];
  size_t before = resident();
  sessions.memory_limit = 1 << 20;
  config.sessions = &sessions;
  GIVES(NF_OK, nf_context_new(detector, &config, &context));
  GIVES(NF_OK, nf_session_new(&session));
  for (uint32_t i = 0; i < flows; i++) {
    nf_frame frame = NF_FRAME_INIT;
    frame.data = bytes;
    frame.captured_len = build(bytes, 0, (uint16_t)(i % 60000 + 2), (uint16_t)(5000 + i / 60000), 1, 53000, 0, 0, 10);
    frame.link_type = 1;
    frame.time_ns = EPOCH + i * INT64_C(1000000);
    GIVES(NF_OK, nf_session_push_frame(context, session, &frame));
    GIVES(NF_OK, nf_session_end(context, session, NF_END_IDLE, NULL));
    if (i % 16 == 15) {
      GIVES(NF_OK, nf_session_push_frame(context, session, &frame));
      GIVES(NF_OK, nf_session_judge(context, session, &verdict));
      GIVES(NF_OK, nf_session_end(context, session, NF_END_IDLE, &verdict));
    }
  }
  GIVES(NF_OK, nf_context_stats(context, &stats));
  size_t taken = resident() - before, room = (size_t)8 << 20;
  /* Of few flows nothing is said: a short run is that of a checking tool, which keeps what was freed. */
  if (before && flows > 50000 && taken > stats.remembered_bytes * 2 + room) {
    fprintf(stderr, "%zu bytes are held behind %u flows that nobody popped, %llu of them remembered\n", taken, flows,
            (unsigned long long)stats.remembered_bytes);
    exit(1);
  }
  uint64_t popped = 0;
  nf_event event = NF_EVENT_INIT;
  while (nf_context_pop(context, &event) == NF_OK) popped += event.kind == NF_EVENT_VERDICT;
  GIVES(NF_OK, nf_context_stats(context, &stats));
  CHECK(stats.dropped + popped == flows && popped > 200 && stats.ended == stats.started);
  nf_session_free(session);
  nf_context_free(context);
}

static void silence_ends_sessions(void) {
  nf_monitor *monitor;
  nf_event event = NF_EVENT_INIT;
  uint8_t bytes[2048];
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  for (uint32_t i = 0; i < 9; i++) {
    nf_frame frame = talk(bytes, i, 9, 40000, EPOCH);
    GIVES(NF_OK, nf_monitor_push(monitor, &frame));
  }
  GIVES(NF_OK, nf_monitor_advance(monitor, EPOCH + 10 * SECOND));
  while (nf_monitor_pop(monitor, &event) == NF_OK) CHECK(event.kind != NF_EVENT_VERDICT);
  GIVES(NF_OK, nf_monitor_advance(monitor, EPOCH + 300 * SECOND));
  int verdicts = 0;
  while (nf_monitor_pop(monitor, &event) == NF_OK) {
    if (event.kind != NF_EVENT_VERDICT) continue;
    verdicts++;
    CHECK(event.session.end_reason == NF_END_IDLE && event.session.outcome == NF_OUTCOME_ANSWERED);
    CHECK(event.session.end_ns == EPOCH + 80000000 && event.session.ended_ns == EPOCH + 300 * SECOND);
  }
  CHECK(verdicts == 1);
  nf_monitor_free(monitor);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  size_t most = argc > 3 ? strtoul(argv[3], NULL, 10) : SIZE_MAX;
  GIVES(NF_OK, nf_detector_load(argv[1], &detector));
  the_same_packets_are_the_same_verdict();
  decoded_packets_are_the_frames();
  raw_link_types_are_one();
  events_come_by_callback_and_one_by_one(argv[2], most);
  flow_records_have_verdicts_of_their_own();
  memory_is_capped_and_what_ends_early_is_told();
  a_host_that_never_pops_is_capped_too(most > 100000 ? 100000 : 3000);
  silence_ends_sessions();
  nf_detector_free(detector);
  printf("%d checks\n", checks);
  return 0;
}
