/*
 * A host with a flow table of its own, here on nDPI 4: each flow carries a session of neural-filter (door B) beside nDPI's own state, and a
 * line for each flow that ends has nDPI's name of the protocol beside the verdict.
 *
 *   ndpi_reader MODEL CAPTURE [all]
 *
 * Prints the flows that are anomalies, or all, incidents, and how many flows and anomalies each protocol has.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <ndpi/ndpi_api.h>
#include <nf.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Silence that ends a flow: 120 s of TCP, 60 s of others. */
#define TCP_IDLE_NS (INT64_C(120) * 1000000000)
#define OTHER_IDLE_NS (INT64_C(60) * 1000000000)
#define TICK_NS INT64_C(1000000000)

/* The smaller end first, so that both directions are one flow. IPv4 is in the first four bytes. */
struct key {
  uint8_t version, protocol, addr[2][16];
  uint16_t port[2];
};

struct flow {
  struct key key; /* first, as the tree compares by it */
  int64_t last_ns;
  struct ndpi_flow_struct *ndpi;
  ndpi_protocol protocol;
  nf_session *session;
  struct flow *next; /* in the order of their last packet */
  struct flow *before;
};

static struct ndpi_detection_module_struct *ndpi;
static nf_context *context;
static void *table;
static struct flow list = {.next = &list, .before = &list};
static int print_all;

#define PROTOCOLS 64
static struct count {
  char name[64];
  unsigned flows, anomalies;
} counts[PROTOCOLS];

static nf_status try(nf_status status) {
  if (status < 0) {
    fprintf(stderr, "ndpi_reader: %s: %s\n", nf_status_name(status), nf_last_error());
    exit(1);
  }
  return status;
}

static void *must(void *made) {
  if (!made) {
    fprintf(stderr, "ndpi_reader: no memory\n");
    exit(1);
  }
  return made;
}

static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(struct key)); }

/* Addresses and ports of an IP packet; 0 where it has none. */
static int key_of(const uint8_t *ip, uint32_t len, struct key *key) {
  uint8_t ends[2][18] = {{0}};
  uint32_t header;
  memset(key, 0, sizeof *key);
  if (len >= 20 && ip[0] >> 4 == 4) {
    header = (ip[0] & 15) * 4u;
    key->version = 4;
    key->protocol = ip[9];
    memcpy(ends[0], ip + 12, 4);
    memcpy(ends[1], ip + 16, 4);
    if ((ip[6] & 0x1f) || ip[7]) header = len; /* a later fragment has no ports */
  } else if (len >= 40 && ip[0] >> 4 == 6) {
    header = 40;
    key->version = 6;
    key->protocol = ip[6];
    memcpy(ends[0], ip + 8, 16);
    memcpy(ends[1], ip + 24, 16);
  } else {
    return 0;
  }
  if ((key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP) && len >= header + 4) {
    memcpy(ends[0] + 16, ip + header, 2);
    memcpy(ends[1] + 16, ip + header + 2, 2);
  }
  int first = memcmp(ends[0], ends[1], sizeof ends[0]) > 0;
  for (int i = 0; i < 2; i++) {
    memcpy(key->addr[i], ends[i ^ first], 16);
    memcpy(&key->port[i], ends[i ^ first] + 16, 2);
  }
  return 1;
}

static struct flow *flow_of(const struct key *key) {
  void *found = ndpi_tfind(key, &table, compare);
  if (found) return *(struct flow **)found;
  struct flow *flow = must(calloc(1, sizeof *flow));
  flow->key = *key;
  flow->ndpi = must(ndpi_flow_malloc(SIZEOF_FLOW_STRUCT));
  memset(flow->ndpi, 0, SIZEOF_FLOW_STRUCT);
  try(nf_session_new(&flow->session)); /* hung on the host's own flow */
  flow->next = flow->before = flow;
  must(ndpi_tsearch(flow, &table, compare));
  return flow;
}

static void unlink_flow(struct flow *flow) {
  flow->next->before = flow->before;
  flow->before->next = flow->next;
}

static void count(const char *name, int anomaly) {
  int i = 0;
  while (i < PROTOCOLS - 1 && counts[i].flows && strcmp(counts[i].name, name)) i++;
  snprintf(counts[i].name, sizeof counts[i].name, "%s", name);
  counts[i].flows++;
  counts[i].anomalies += (unsigned)anomaly;
}

/* Ends a flow: nDPI says what it was, neural-filter whether it fits. */
static void end(struct flow *flow, int32_t reason) {
  char name[64];
  u_int8_t guessed;
  if (flow->protocol.app_protocol == NDPI_PROTOCOL_UNKNOWN)
    flow->protocol = ndpi_detection_giveup(ndpi, flow->ndpi, 1, &guessed);
  ndpi_protocol2name(ndpi, flow->protocol, name, sizeof name);
  nf_verdict verdict = NF_VERDICT_INIT;
  if (try(nf_session_end(context, flow->session, reason, &verdict)) == NF_OK) {
    count(name, verdict.anomaly);
    if (verdict.anomaly || print_all) {
      const char *text;
      try(nf_context_text(context, &text));
      printf("%-20s %s\n", name, text);
    }
  }
  unlink_flow(flow);
  ndpi_tdelete(flow, &table, compare);
  nf_session_free(flow->session);
  ndpi_free_flow(flow->ndpi);
  free(flow);
}

/* What no call asked for: alerts at flows that go on, incidents, drift. Nobody else takes it, and it must not pile up. */
static void pop_events(void) {
  nf_event event = NF_EVENT_INIT;
  const char *text;
  while (try(nf_context_pop(context, &event)) == NF_OK)
    if (event.kind == NF_EVENT_INCIDENT && event.change == NF_CHANGE_OPENED && try(nf_context_text(context, &text)) == NF_OK)
      printf("%-20s %s\n", "incident", text);
}

static void end_idle(int64_t now) {
  for (struct flow *flow = list.next, *next; flow != &list; flow = next) {
    next = flow->next;
    if (now - flow->last_ns < OTHER_IDLE_NS) break;
    if (flow->key.protocol != IPPROTO_TCP || now - flow->last_ns >= TCP_IDLE_NS) end(flow, NF_END_IDLE);
  }
}

static void packet(const uint8_t *ip, uint32_t len, uint32_t wire_len, int64_t time_ns) {
  struct key key;
  if (!key_of(ip, len, &key)) return;
  struct flow *flow = flow_of(&key);
  if (try(nf_session_push_ip(context, flow->session, ip, len, wire_len, time_ns)) == NF_SKIPPED && flow->next == flow) {
    /* Nothing of it can be used: no flow. */
    ndpi_tdelete(flow, &table, compare);
    nf_session_free(flow->session);
    ndpi_free_flow(flow->ndpi);
    free(flow);
    return;
  }
  flow->protocol = ndpi_detection_process_packet(ndpi, flow->ndpi, ip, (unsigned short)len, (u_int64_t)(time_ns / 1000000));
  flow->last_ns = time_ns;
  unlink_flow(flow);
  flow->next = &list;
  flow->before = list.before;
  list.before->next = flow;
  list.before = flow;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "ndpi_reader MODEL CAPTURE [all]\n");
    return 2;
  }
  print_all = argc > 3;
  char error[PCAP_ERRBUF_SIZE];
  pcap_t *capture = pcap_open_offline_with_tstamp_precision(argv[2], PCAP_TSTAMP_PRECISION_NANO, error);
  if (!capture || pcap_datalink(capture) != DLT_EN10MB) {
    fprintf(stderr, "ndpi_reader: %s\n", capture ? "the capture must be of Ethernet" : error);
    return 1;
  }
  ndpi = must(ndpi_init_detection_module(ndpi_no_prefs));
  NDPI_PROTOCOL_BITMASK all;
  NDPI_BITMASK_SET_ALL(all);
  ndpi_set_protocol_detection_bitmask2(ndpi, &all);
  ndpi_finalize_initialization(ndpi);

  nf_detector *detector;
  try(nf_detector_load(argv[1], &detector));
  try(nf_context_new(detector, NULL, &context));
  nf_detector_free(detector); /* the context keeps what it needs */

  struct pcap_pkthdr *header;
  const u_char *data;
  int64_t tick = 0;
  unsigned packets = 0;
  while (pcap_next_ex(capture, &header, &data) > 0) {
    uint32_t link = 14;
    if (header->caplen >= 18 && data[12] == 0x81 && data[13] == 0) link = 18;
    if (header->caplen < link) continue;
    uint16_t type = (uint16_t)(data[link - 2] << 8 | data[link - 1]);
    if (type != 0x0800 && type != 0x86dd) continue;
    int64_t time_ns = (int64_t)header->ts.tv_sec * 1000000000 + header->ts.tv_usec;
    packet(data + link, header->caplen - link, header->len, time_ns);
    packets++;
    if (time_ns - tick >= TICK_NS) {
      end_idle(time_ns);
      pop_events();
      tick = time_ns;
    }
  }
  while (list.next != &list) end(list.next, NF_END_FLUSHED);
  try(nf_context_finish(context));
  pop_events();

  printf("\n%-20s %8s %10s\n", "protocol", "flows", "anomalies");
  unsigned flows = 0, anomalies = 0;
  for (int i = 0; i < PROTOCOLS && counts[i].flows; i++) {
    printf("%-20s %8u %10u\n", counts[i].name, counts[i].flows, counts[i].anomalies);
    flows += counts[i].flows;
    anomalies += counts[i].anomalies;
  }
  printf("%-20s %8u %10u of %u packets\n", "all", flows, anomalies, packets);
  nf_context_free(context);
  ndpi_exit_detection_module(ndpi);
  pcap_close(capture);
  return 0;
}
