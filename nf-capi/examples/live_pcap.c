/*
 * Watches an interface through libpcap: door A in a program's own capture loop.
 *
 *   live_pcap MODEL INTERFACE [FILTER]
 *
 * Prints alerts and incidents as they are known, and counts at the end, which SIGINT and SIGTERM bring about.
 */
#include <inttypes.h>
#include <nf.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pcap_t *handle;
static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static nf_status try(nf_status status) {
  if (status < 0) {
    fprintf(stderr, "live_pcap: %s: %s\n", nf_status_name(status), nf_last_error());
    exit(1);
  }
  return status;
}

static void need(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "live_pcap: %s: %s\n", what, pcap_geterr(handle));
    exit(1);
  }
}

/* The library has no clock: in silence the program says what time it is. */
static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int32_t on_event(const nf_event *event, void *user) {
  nf_monitor *monitor = user;
  int alert = event->kind == NF_EVENT_LOOK || (event->kind == NF_EVENT_VERDICT && event->verdict.anomaly);
  if (alert || event->kind == NF_EVENT_INCIDENT || event->kind == NF_EVENT_DRIFT) {
    const char *text;
    try(nf_monitor_text(monitor, &text));
    printf("%s\n", text);
    fflush(stdout);
  }
  return 0;
}

struct loop {
  nf_monitor *monitor;
  nf_frame frame;
  int64_t unit; /* nanoseconds of what stands in tv_usec */
};

static void on_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data) {
  struct loop *loop = (struct loop *)(void *)user;
  loop->frame.data = data;
  loop->frame.captured_len = header->caplen;
  loop->frame.wire_len = header->len;
  loop->frame.time_ns = (int64_t)header->ts.tv_sec * 1000000000 + header->ts.tv_usec * loop->unit;
  try(nf_monitor_push(loop->monitor, &loop->frame));
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "live_pcap MODEL INTERFACE [FILTER]\n");
    return 2;
  }
  nf_detector *detector;
  nf_monitor *monitor;
  try(nf_detector_load(argv[1], &detector));
  try(nf_monitor_new(detector, NULL, &monitor));

  char error[PCAP_ERRBUF_SIZE];
  handle = pcap_create(argv[2], error);
  if (!handle) {
    fprintf(stderr, "live_pcap: %s\n", error);
    return 1;
  }
  /* Whole packets, packets at least every 100 ms, room for a burst, and time in nanoseconds where the system has it. */
  need(pcap_set_snaplen(handle, 65535) == 0 && pcap_set_timeout(handle, 100) == 0, argv[2]);
  need(pcap_set_buffer_size(handle, 32 << 20) == 0 && pcap_set_promisc(handle, 1) == 0, argv[2]);
  int64_t unit = pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO) == 0 ? 1 : 1000;
  need(pcap_activate(handle) >= 0, argv[2]);
  if (argc > 3) {
    struct bpf_program program;
    need(pcap_compile(handle, &program, argv[3], 1, PCAP_NETMASK_UNKNOWN) == 0, argv[3]);
    need(pcap_setfilter(handle, &program) == 0, argv[3]);
    pcap_freecode(&program);
  }
  need(pcap_setnonblock(handle, 1, error) == 0, "non-blocking");
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  fprintf(stderr, "live_pcap: watching %s\n", argv[2]);

  struct loop loop = {.monitor = monitor, .unit = unit, .frame = NF_FRAME_INIT};
  loop.frame.link_type = pcap_datalink(handle); /* a DLT_* number is fine */
  struct pollfd ready = {.fd = pcap_get_selectable_fd(handle), .events = POLLIN};
  while (!stopped) {
    /* libpcap itself may wait for a packet for ever; a monitor wants to know of silence. */
    poll(&ready, 1, 100);
    int got = pcap_dispatch(handle, -1, on_packet, (u_char *)&loop);
    need(got >= 0 || got == PCAP_ERROR_BREAK, argv[2]);
    if (got == 0) try(nf_monitor_advance(monitor, now_ns()));
    try(nf_monitor_drain(monitor, on_event, monitor));
  }
  try(nf_monitor_finish(monitor));
  try(nf_monitor_drain(monitor, on_event, monitor));

  nf_stats stats = NF_STATS_INIT;
  struct pcap_stat kernel = {0};
  try(nf_monitor_stats(monitor, &stats));
  pcap_stats(handle, &kernel);
  printf("%" PRIu64 " frames, %" PRIu64 " skipped, %u dropped by the system, %" PRIu64 " sessions judged, %" PRIu64
         " anomalies, %" PRIu64 " incidents\n",
         stats.frames, stats.skipped, kernel.ps_drop, stats.judged, stats.anomalies, stats.incidents);
  pcap_close(handle);
  nf_monitor_free(monitor);
  nf_detector_free(detector);
  return 0;
}
