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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pcap_t *handle;

static void stop(int signal) {
  (void)signal;
  pcap_breakloop(handle);
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
  /* Whole packets, wakes every 100 ms, room for a burst, and time in nanoseconds where the system has it. */
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
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  fprintf(stderr, "live_pcap: watching %s\n", argv[2]);

  nf_frame frame = NF_FRAME_INIT;
  frame.link_type = pcap_datalink(handle); /* a DLT_* number is fine */
  struct pcap_pkthdr *header;
  const u_char *data;
  for (int got; (got = pcap_next_ex(handle, &header, &data)) >= 0;) {
    if (got == 0) {
      try(nf_monitor_advance(monitor, now_ns()));
    } else {
      frame.data = data;
      frame.captured_len = header->caplen;
      frame.wire_len = header->len;
      frame.time_ns = (int64_t)header->ts.tv_sec * 1000000000 + header->ts.tv_usec * unit;
      try(nf_monitor_push(monitor, &frame));
    }
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
