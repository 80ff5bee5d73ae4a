/*
 * neural-filter: learns what is normal on a network, and says which sessions do not fit.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Calls return an nf_status: below 0 an error, whose text is nf_last_error(); 0 done; above 0 done, with news (NF_EMPTY,
 * NF_SKIPPED). Where a call fails its out parameters stay as they were. No call ends the program, prints, reads a clock, or starts
 * a thread that was not asked for (nf_trainer_config.threads, nf_sessions_read); a panic of the library is a status too, though Rust's
 * own hook then writes a line to standard error.
 *
 * Ownership. nf_X_new, _load, _open, _read and what else gives an nf_X through a last `**` parameter hand it over: it is freed with nf_X_free,
 * once, from any thread. What a call points to by `const` parameters is read while it lasts and not kept. Texts that a call gives are the
 * library's, end with a 0, and are UTF-8.
 *
 * Threads. A handle taken as `const T *` may be used by any number of threads at once; one taken as `T *` by one at a time, whichever it is.
 * Callbacks run on the calling thread, inside the call. There is no global state but the text of the last error, one a thread; handles go
 * through fork() like any memory, and parent and child go on with copies of their own.
 *
 * Structs start with struct_size, set by their _INIT macro; all else in it is 0. They grow at their end alone: a program made with an older
 * header goes on with a newer library. Enums cross as int32_t, and a number that is none of theirs is NF_ERR_ARGUMENT. In configurations 0 is
 * the default, which the library knows and no program has to copy. Times are in nanoseconds (_ns), by packet time since the Unix epoch.
 */

#ifndef NF_H
#define NF_H

/* Generated from nf-capi/src by cbindgen; NF_BLESS=1 cargo test -p nf-capi --test header writes it anew. */

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this interface. It goes up with each change that a program has to be made anew for; all else is only added.
 */
#define NF_ABI_VERSION 1

/**
 * For a time in nanoseconds of a configuration: never.
 */
#define NF_NEVER INT64_MAX

/**
 * For a number of threads: one for each core.
 */
#define NF_ALL_CORES UINT32_MAX

/**
 * A door takes frames: `nf_monitor_new`.
 */
#define NF_DOOR_FRAMES 1

/**
 * A door takes packets of the host's own flows: `nf_context_new`.
 */
#define NF_DOOR_SESSIONS 2

/**
 * A door takes flow records: `nf_detector_score_rows`.
 */
#define NF_DOOR_RECORDS 4

/**
 * What a call comes to: below 0 an error, with its text in `nf_last_error`; 0 done; above 0 done, with news.
 */
enum nf_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  NF_OK = 0,
  /**
   * Done: there is nothing (more) to give, and nothing was written.
   */
  NF_EMPTY = 1,
  /**
   * Done: the packet cannot be used (truncated, not IP, ..). It was counted, and the session is as it was.
   */
  NF_SKIPPED = 2,
  /**
   * The operating system said no: the text names the path.
   */
  NF_ERR_IO = -1,
  /**
   * Not a readable capture: the text has the packet's number and the byte.
   */
  NF_ERR_CAPTURE = -2,
  /**
   * A parameter is out of its range: the text has its name, its value and the range.
   */
  NF_ERR_CONFIG = -3,
  /**
   * Model and rows disagree, or a detector does not serve this door: the text names the column or the head.
   */
  NF_ERR_SCHEMA = -4,
  /**
   * Too few sessions for what was promised, or a value that is not finite: the text has row and column.
   */
  NF_ERR_DATA = -5,
  /**
   * Not a model file, one of a newer version, or a damaged one.
   */
  NF_ERR_MODEL_FILE = -6,
  /**
   * The loss of a training did not stay finite.
   */
  NF_ERR_TRAINING = -7,
  /**
   * The progress callback said stop.
   */
  NF_ERR_CANCELED = -8,
  /**
   * A link type, or a part of the library, that is not built in.
   */
  NF_ERR_UNSUPPORTED = -9,
  /**
   * The call itself is wrong: a null pointer, a length, a struct_size, a number that is no value of its enum, text that is
   * not UTF-8.
   */
  NF_ERR_ARGUMENT = -10,
  /**
   * The handle is in use: by the call that runs this callback, or by another thread that may not have it at the same time.
   */
  NF_ERR_BUSY = -11,
  /**
   * The library's own mistake, caught. What the call took as `T *` can only be freed, and gives this status again; what it took as
   * `const T *` was not changed and stays usable. To go on, free the broken monitor or context, with its sessions, and make others
   * of the detector.
   */
  NF_ERR_PANIC = -12,
  /**
   * An error of a kind that this interface does not know yet.
   */
  NF_ERR_OTHER = -13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_status nf_status;
#else
typedef int32_t nf_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A switch of a configuration.
 */
enum nf_switch
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * As the engine, or the detector, has it.
   */
  NF_SWITCH_DEFAULT = 0,
  /**
   * On.
   */
  NF_SWITCH_ON = 1,
  /**
   * Off.
   */
  NF_SWITCH_OFF = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_switch nf_switch;
#else
typedef int32_t nf_switch;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What makes a session.
 */
enum nf_key
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * As the engine, or the detector, has it.
   */
  NF_KEY_DEFAULT = 0,
  /**
   * Protocol, addresses and ports (of ICMP its identifier or type).
   */
  NF_KEY_FIVE_TUPLE = 1,
  /**
   * The two addresses alone.
   */
  NF_KEY_HOST_PAIR = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_key nf_key;
#else
typedef int32_t nf_key;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a packet is a piece of a larger one.
 */
enum nf_fragment
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * A whole packet.
   */
  NF_FRAGMENT_WHOLE = 0,
  /**
   * The first fragment, with the header of the transport.
   */
  NF_FRAGMENT_FIRST = 1,
  /**
   * A later fragment: its ports are those of the first, where the host knows them.
   */
  NF_FRAGMENT_LATER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_fragment nf_fragment;
#else
typedef int32_t nf_fragment;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a session ended. 1 to 5 are the numbers of IPFIX's flowEndReason (RFC 5102, section 5.11.3), where 6 is 3 as well.
 */
enum nf_end_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It has not ended.
   */
  NF_END_OPEN = 0,
  /**
   * Silence for longer than the idle timeout.
   */
  NF_END_IDLE = 1,
  /**
   * It was cut at the active timeout.
   */
  NF_END_ACTIVE = 2,
  /**
   * Both ends sent FIN.
   */
  NF_END_FIN = 3,
  /**
   * The capture ended, or the host said so.
   */
  NF_END_FLUSHED = 4,
  /**
   * Memory was at its limit.
   */
  NF_END_EVICTED = 5,
  /**
   * An end sent RST.
   */
  NF_END_RST = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_end_reason nf_end_reason;
#else
typedef int32_t nf_end_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether anybody answered, as far as is known.
 */
enum nf_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Not yet known.
   */
  NF_OUTCOME_PENDING = 0,
  /**
   * TCP: no completed handshake, or no data in one of the directions; DNS: an error; otherwise: no packet back.
   */
  NF_OUTCOME_FAILED = 1,
  /**
   * TCP: data both ways; otherwise: a packet back.
   */
  NF_OUTCOME_ANSWERED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_outcome nf_outcome;
#else
typedef int32_t nf_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What an event is.
 */
enum nf_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * A session that goes on is above the cut for the first time: an alert before its end. It stays an anomaly.
   */
  NF_EVENT_LOOK = 1,
  /**
   * A session ended, and was judged.
   */
  NF_EVENT_VERDICT = 2,
  /**
   * A session ended, and a model failed on it; the text says why. Only models of a user's own do.
   */
  NF_EVENT_FAILURE = 3,
  /**
   * The traffic is no longer what the detector was calibrated on; the text says since when, and what moved.
   */
  NF_EVENT_DRIFT = 4,
  /**
   * Alerts that belong together became an incident, or what was one grew, or is over.
   */
  NF_EVENT_INCIDENT = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_event_kind nf_event_kind;
#else
typedef int32_t nf_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What became of an incident.
 */
enum nf_change
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It opened.
   */
  NF_CHANGE_OPENED = 1,
  /**
   * It has twice the sessions it had when it was last told of, or came again after a pause.
   */
  NF_CHANGE_GROWN = 2,
  /**
   * It is over.
   */
  NF_CHANGE_CLOSED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nf_change nf_change;
#else
typedef int32_t nf_change;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A capture being read: pcap or pcapng, plain or compressed with gzip or zstd.
 */
typedef struct nf_capture nf_capture;

/**
 * What the sessions of one worker share: their detector, and what their hosts did around each other. All that a worker sees
 * belongs into one context.
 */
typedef struct nf_context nf_context;

/**
 * A fitted and calibrated detector. It never changes: any number of threads, monitors and contexts may share it, and each keeps
 * what it needs of it, so that it may be freed before them.
 */
typedef struct nf_detector nf_detector;

/**
 * Why a verdict is what it is: the fewest facts found that, set to what was expected, turn an alert normal.
 */
typedef struct nf_explanation nf_explanation;

/**
 * Judges sessions at each look at them and at their end. Frames go in by `nf_monitor_push`, events come out by `nf_monitor_pop` or
 * `nf_monitor_drain`. There is no clock and no thread: the same frames give the same events.
 */
typedef struct nf_monitor nf_monitor;

/**
 * A session, to be hung on the host's own flow. It belongs to the context that its first packet is pushed with.
 */
typedef struct nf_session nf_session;

/**
 * The sessions of a capture, in the order in which they ended.
 */
typedef struct nf_sessions nf_sessions;

/**
 * Learns a detector from benign traffic.
 */
typedef struct nf_trainer nf_trainer;

/**
 * A frame as captured.
 */
typedef struct nf_frame {
  /**
   * `sizeof(nf_frame)`; `NF_FRAME_INIT` sets it.
   */
  size_t struct_size;
  /**
   * The bytes that were kept. Of the program while a call lasts, of the capture in what `nf_capture_next` gives.
   */
  const uint8_t *data;
  /**
   * When it was captured, in nanoseconds since the Unix epoch.
   */
  int64_t time_ns;
  /**
   * How many bytes `data` has. Frames of more than 262144 are counted as skipped.
   */
  uint32_t captured_len;
  /**
   * How many bytes were on the wire; 0 for as many as were captured.
   */
  uint32_t wire_len;
  /**
   * What the first byte begins: a LINKTYPE_* number of a file, or a DLT_* number of libpcap. 1 is Ethernet, 101 (or 12) an IP
   * packet without link header. Types that are not decoded are counted as skipped.
   */
  int32_t link_type;
  /**
   * 0.
   */
  int32_t reserved;
} nf_frame;

/**
 * How packets are cut into sessions. 0 in any field is the engine's default (docs/sessions.md), or, for a monitor or a
 * context, what the detector was trained with.
 */
typedef struct nf_session_config {
  /**
   * `sizeof(nf_session_config)`; `NF_SESSION_CONFIG_INIT` sets it.
   */
  size_t struct_size;
  /**
   * What makes a session: an `nf_key`.
   */
  int32_t key;
  /**
   * Whether VLAN identifiers are part of the key: an `nf_switch`.
   */
  int32_t vlan_in_key;
  /**
   * Whether sessions know what their hosts did lately: an `nf_switch`.
   */
  int32_t context;
  /**
   * How many tunnels inside each other are entered, 1 to 255; -1 for none.
   */
  int32_t tunnels;
  /**
   * Silence that ends a TCP session, in nanoseconds; `NF_NEVER` for never.
   */
  int64_t idle_tcp_ns;
  /**
   * As `idle_tcp_ns`, of UDP and of all other protocols of IP.
   */
  int64_t idle_udp_ns;
  /**
   * As `idle_tcp_ns`, of ICMP.
   */
  int64_t idle_icmp_ns;
  /**
   * As `idle_tcp_ns`, of ARP.
   */
  int64_t idle_arp_ns;
  /**
   * Age at which a session is cut, to be continued by the next, in nanoseconds; `NF_NEVER` for never.
   */
  int64_t active_ns;
  /**
   * How often long sessions are looked at, in nanoseconds, at least 1 s; `NF_NEVER` for never.
   */
  int64_t look_every_ns;
  /**
   * At how many packets open sessions are looked at, rising from at least 2; null for the default, and where `look_counts` is
   * off. Of the program while the call lasts, of the library in what it gives.
   */
  const uint64_t *look_packets;
  /**
   * How many numbers `look_packets` has, at most 16.
   */
  size_t look_packet_count;
  /**
   * Whether open sessions are looked at in silence: an `nf_switch`.
   */
  int32_t look_silence;
  /**
   * How many packets a session keeps one by one, 1 to 65536.
   */
  uint32_t max_packets;
  /**
   * How many payload bytes of a packet its entropy is taken over, 1 to 65535.
   */
  uint32_t entropy_bytes;
  /**
   * Whether open sessions are looked at when they have so many packets: an `nf_switch`.
   */
  int32_t look_counts;
  /**
   * Bytes that sessions and context may hold together, at least 1 MiB. Beyond it some end early, those that nobody answered
   * first, and are counted.
   */
  uint64_t memory_limit;
} nf_session_config;

/**
 * A session in numbers. `orig` is the end that started it, `resp` the other.
 */
typedef struct nf_session_summary {
  /**
   * `sizeof(nf_session_summary)`; `NF_SESSION_SUMMARY_INIT` sets it.
   */
  size_t struct_size;
  /**
   * Time of the first packet, in nanoseconds since the Unix epoch.
   */
  int64_t start_ns;
  /**
   * Time of the last packet.
   */
  int64_t end_ns;
  /**
   * When it was ended, or looked at, by packet time.
   */
  int64_t ended_ns;
  /**
   * Packets of orig.
   */
  uint64_t orig_packets;
  /**
   * Packets of resp.
   */
  uint64_t resp_packets;
  /**
   * Bytes of the frames of orig on the wire.
   */
  uint64_t orig_wire_bytes;
  /**
   * Bytes of the frames of resp on the wire.
   */
  uint64_t resp_wire_bytes;
  /**
   * Bytes of payload of orig on the wire.
   */
  uint64_t orig_payload_bytes;
  /**
   * Bytes of payload of resp on the wire.
   */
  uint64_t resp_payload_bytes;
  /**
   * 4 or 6; of ARP 4.
   */
  int32_t ip_version;
  /**
   * The protocol number of IP; 256 for ARP.
   */
  int32_t protocol;
  /**
   * The address of orig: of IPv4 the first four bytes, in network order.
   */
  uint8_t orig_addr[16];
  /**
   * The address of resp.
   */
  uint8_t resp_addr[16];
  /**
   * The port of orig; of ICMP queries their identifier; 0 where there is none.
   */
  uint16_t orig_port;
  /**
   * The port of resp.
   */
  uint16_t resp_port;
  /**
   * VLAN identifiers, outermost first, where they are part of the key.
   */
  uint16_t vlans[2];
  /**
   * The type of ICMP messages without an identifier; -1 for all others.
   */
  int32_t icmp_type;
  /**
   * Why it ended: an `nf_end_reason`.
   */
  int32_t end_reason;
  /**
   * Whether anybody answered: an `nf_outcome`.
   */
  int32_t outcome;
  /**
   * Whether it began in the first minute of its table, which still learned what hosts do: 0 or 1.
   */
  int32_t cold;
  /**
   * 0; room for what later versions tell.
   */
  uint64_t reserved[4];
} nf_session_summary;

/**
 * What a detector says of a session.
 */
typedef struct nf_verdict {
  /**
   * `sizeof(nf_verdict)`; `NF_VERDICT_INIT` sets it.
   */
  size_t struct_size;
  /**
   * The share of benign sessions at least as strange, above 0 and at most 1: what goes with `score`.
   */
  double p_value;
  /**
   * The same for `own_score`.
   */
  double own_p_value;
  /**
   * When it became known, in nanoseconds since the Unix epoch by packet time: at the first look above the cut, where there was
   * one, else at the last look.
   */
  int64_t at_ns;
  /**
   * The score that decides: of the session together with others of its pair of hosts, where the detector adds these up.
   * Higher is stranger, no unit.
   */
  float score;
  /**
   * The score of the session by itself.
   */
  float own_score;
  /**
   * The cut: a score above it is an anomaly.
   */
  float threshold;
  /**
   * Whether it is one: 0 or 1.
   */
  int32_t anomaly;
  /**
   * How many sessions `score` is made from, this one among them; 0 where each is judged by itself.
   */
  uint32_t sessions;
  /**
   * Whether the session began in the first minute, while its table still learned what hosts do: 0 or 1.
   */
  int32_t cold;
  /**
   * How many heads the detector has.
   */
  uint32_t heads;
  /**
   * Which head finds the last look at the session strangest, from 0.
   */
  uint32_t strangest_head;
  /**
   * 0; room for what later versions tell.
   */
  uint64_t reserved[4];
} nf_verdict;

/**
 * One fact. Its texts are the explanation's.
 */
typedef struct nf_fact {
  /**
   * `sizeof(nf_fact)`; `NF_FACT_INIT` sets it.
   */
  size_t struct_size;
  /**
   * Its name, as in docs/features.md.
   */
  const char *name;
  /**
   * What is strange about it, in words; "" where no value differs from what was expected.
   */
  const char *sentence;
  /**
   * The unit of `observed` and `expected`; "" for a plain number.
   */
  const char *unit;
  /**
   * The first value that states it: what was seen; NaN where none differs.
   */
  double observed;
  /**
   * What was expected in its place.
   */
  double expected;
  /**
   * By how much of the deciding score it falls once this is as expected, beside the facts before: 0 to 1.
   */
  double contribution;
  /**
   * Which packet of the session it is of, from 0; -1 where it is of the whole session.
   */
  int32_t packet;
  /**
   * Which of the sessions that carry the verdict it is of; 0 is the session itself.
   */
  uint32_t carrier;
} nf_fact;

/**
 * What a detector is to be. 0 in any field is the recipe's default.
 */
typedef struct nf_trainer_config {
  /**
   * `sizeof(nf_trainer_config)`; `NF_TRAINER_CONFIG_INIT` sets it.
   */
  size_t struct_size;
  /**
   * How packets are cut into sessions; null for the defaults. The program's, while the call lasts.
   */
  const struct nf_session_config *sessions;
  /**
   * The names of the heads, in UTF-8; null for the default ones. The program's, while the call lasts.
   */
  const char *const *heads;
  /**
   * How many heads are named.
   */
  size_t head_count;
  /**
   * The budget: the share of benign sessions that may be called anomalies, above 0 and at most 0.5.
   */
  double false_positive_rate;
  /**
   * The budget as false alerts an hour instead. Not both.
   */
  double alerts_per_hour;
  /**
   * The share of the sessions, the latest, that it is calibrated on, between 0 and 1.
   */
  double calibration_share;
  /**
   * The share of attacks that the sessions may hold, up to 0.25.
   */
  double contamination;
  /**
   * Where random numbers start: the same sessions and seed give the same detector.
   */
  uint64_t seed;
  /**
   * Whether scores add up over the sessions of a pair of hosts: an `nf_switch`.
   */
  int32_t evidence;
  /**
   * How many threads fit, the calling one among them; 0 for that alone, `NF_ALL_CORES` for one a core. The detector does not
   * depend on it.
   */
  uint32_t threads;
} nf_trainer_config;

/**
 * How far a fit has come.
 */
typedef struct nf_progress {
  /**
   * How large the library's struct is: fields beyond it are not there.
   */
  size_t struct_size;
  /**
   * What is being fitted: the head's name. The library's, while the callback lasts.
   */
  const char *head;
  /**
   * Updates of the weights so far.
   */
  uint64_t updates;
  /**
   * The share of this head's work that is done, 0 to 1.
   */
  float done;
  /**
   * The mean loss of the epoch so far; NaN for heads without a loss.
   */
  float loss;
  /**
   * The loss on held-out rows after the last whole epoch; NaN where there was none.
   */
  float held_out_loss;
  /**
   * The epoch, from 1; 0 for heads without epochs.
   */
  uint32_t epoch;
} nf_progress;

/**
 * Told how far a fit has come, on the calling thread; anything but 0 stops it. It must return: no `longjmp`, no exception.
 */
typedef int32_t (*nf_progress_fn)(const struct nf_progress *progress, void *user);

/**
 * How sessions are watched. 0 in any field is the default.
 */
typedef struct nf_monitor_config {
  /**
   * `sizeof(nf_monitor_config)`; `NF_MONITOR_CONFIG_INIT` sets it.
   */
  size_t struct_size;
  /**
   * How packets are cut into sessions, and how much memory that may take; null for what the detector was trained with. The program's,
   * while the call lasts.
   */
  const struct nf_session_config *sessions;
  /**
   * What the alerts of one source must come to within `incident_within_ns` to be an incident, above 0.
   */
  double incident_from;
  /**
   * What a single alert must come to where its host is the source of an open incident, at most `incident_from`.
   */
  double incident_from_suspect;
  /**
   * What the alerts of many sources on one destination must come to, at least `incident_from`.
   */
  double incident_from_crowd;
  /**
   * How long an alert counts towards opening an incident, in nanoseconds.
   */
  int64_t incident_within_ns;
  /**
   * Silence that ends an incident, in nanoseconds.
   */
  int64_t incident_silence_ns;
  /**
   * Most incidents open at once.
   */
  uint64_t incident_most_open;
  /**
   * Most sources and destinations whose alerts wait to become an incident, at least 2.
   */
  uint64_t incident_most_waiting;
  /**
   * Whether the traffic is watched for drift, where the detector can: an `nf_switch`.
   */
  int32_t drift;
  /**
   * 0.
   */
  int32_t reserved;
} nf_monitor_config;

/**
 * Something that a monitor or a context has to say. What does not belong to its kind is 0.
 */
typedef struct nf_event {
  /**
   * `sizeof(nf_event)`; `NF_EVENT_INIT` sets it.
   */
  size_t struct_size;
  /**
   * What it is: an `nf_event_kind`.
   */
  int32_t kind;
  /**
   * What became of the incident: an `nf_change`.
   */
  int32_t change;
  /**
   * The incident's number, from 1.
   */
  uint64_t incident_id;
  /**
   * How many of its sessions alerted so far.
   */
  uint64_t incident_sessions;
  /**
   * Its first packet, in nanoseconds since the Unix epoch.
   */
  int64_t incident_first_ns;
  /**
   * The last packet of its sessions.
   */
  int64_t incident_last_ns;
  /**
   * The session: of an incident the strangest.
   */
  struct nf_session_summary session;
  /**
   * What the detector says of it: of looks and verdicts.
   */
  struct nf_verdict verdict;
} nf_event;

/**
 * Told of an event, on the calling thread; anything but 0 leaves those behind it for later. It must return: no `longjmp`, no
 * exception. `event` stands while it lasts.
 */
typedef int32_t (*nf_event_fn)(const struct nf_event *event, void *user);

/**
 * What one head of a detector says of a session.
 */
typedef struct nf_head_verdict {
  /**
   * The head's name. Of the library: it stands as long as the text of the call that gave it.
   */
  const char *name;
  /**
   * The share of benign sessions to which the head gives at least this score, above 0 and at most 1.
   */
  double p_value;
  /**
   * Its model's score, higher is stranger.
   */
  float score;
  /**
   * 0.
   */
  int32_t reserved;
} nf_head_verdict;

/**
 * What went in and came out so far.
 */
typedef struct nf_stats {
  /**
   * `sizeof(nf_stats)`; `NF_STATS_INIT` sets it.
   */
  size_t struct_size;
  /**
   * Frames pushed.
   */
  uint64_t frames;
  /**
   * Bytes of these on the wire.
   */
  uint64_t wire_bytes;
  /**
   * Frames that became packets of a session.
   */
  uint64_t packets;
  /**
   * Frames that could not be used; the others.
   */
  uint64_t skipped;
  /**
   * Sessions started.
   */
  uint64_t started;
  /**
   * Sessions ended.
   */
  uint64_t ended;
  /**
   * Sessions ended early because memory was at its limit; part of `ended`.
   */
  uint64_t evicted;
  /**
   * Ended sessions dropped because nobody popped them and memory was at its limit; part of `ended`. Those of a context may have
   * been judged.
   */
  uint64_t dropped;
  /**
   * Looks at open sessions, and alerts at them, dropped for the same reason.
   */
  uint64_t looks_dropped;
  /**
   * Counters of context dropped, or not made, because memory was at its limit.
   */
  uint64_t context_evicted;
  /**
   * Most bytes held at once by sessions and context.
   */
  uint64_t peak_bytes;
  /**
   * Looks judged, the last at each session among them.
   */
  uint64_t looks;
  /**
   * Alerts at sessions that went on.
   */
  uint64_t early;
  /**
   * Sessions judged.
   */
  uint64_t judged;
  /**
   * How many of them are anomalies.
   */
  uint64_t anomalies;
  /**
   * Sessions that a model failed on.
   */
  uint64_t failures;
  /**
   * Alarms that the traffic moved.
   */
  uint64_t drift_alarms;
  /**
   * Sessions that went into incidents as alerts.
   */
  uint64_t alerts;
  /**
   * Incidents opened.
   */
  uint64_t incidents;
  /**
   * Incidents not opened because too many were open.
   */
  uint64_t incidents_refused;
  /**
   * What became of incidents, and alarms that the traffic moved, dropped because nobody popped them.
   */
  uint64_t news_dropped;
  /**
   * Bytes held of sessions that may come to carry an alert, to explain it with: at most 64 MiB, beside the memory limit.
   */
  uint64_t remembered_bytes;
  /**
   * Sessions of these forgotten early, as there were too many: explanations count their scores and cannot change them.
   */
  uint64_t forgotten_early;
  /**
   * Times that it was said to be more than a minute before the newest packet; ignored.
   */
  uint64_t late_advances;
  /**
   * Sessions that the watch for drift could not count, known too late or in the block of time that it began in.
   */
  uint64_t drift_late;
  /**
   * Pairs of hosts whose last scores are held, to be added up.
   */
  uint64_t evidence_keys;
  /**
   * Those dropped because there were too many.
   */
  uint64_t evidence_evicted;
  /**
   * Packets of `dropped` sessions.
   */
  uint64_t packets_dropped;
} nf_stats;

/**
 * A packet that the host decoded. All numbers are in the byte order of the machine.
 */
typedef struct nf_payload_info {
  /**
   * `sizeof(nf_payload_info)`; `NF_PAYLOAD_INFO_INIT` sets it.
   */
  size_t struct_size;
  /**
   * When it was captured, in nanoseconds since the Unix epoch.
   */
  int64_t time_ns;
  /**
   * The payload behind the header of the transport, as far as it was captured; may be null where `payload_captured` is 0.
   * Of the program while the call lasts. Entropy and DNS are read from it.
   */
  const uint8_t *payload;
  /**
   * How many bytes `payload` has.
   */
  uint32_t payload_captured;
  /**
   * How many bytes of payload were sent, padding left out; at least `payload_captured`.
   */
  uint32_t payload_len;
  /**
   * Bytes of the IP packet, header and all behind it.
   */
  uint32_t network_len;
  /**
   * Bytes of the frame on the wire, link header included.
   */
  uint32_t wire_len;
  /**
   * Bytes of the frame that were captured; 0 for all.
   */
  uint32_t captured_len;
  /**
   * 4 or 6.
   */
  int32_t ip_version;
  /**
   * The protocol number of IP: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6, or another.
   */
  int32_t protocol;
  /**
   * How it is a fragment: an `nf_fragment`.
   */
  int32_t fragment;
  /**
   * Who sent it: of IPv4 the first four bytes, in network order.
   */
  uint8_t src[16];
  /**
   * Whom it was sent to.
   */
  uint8_t dst[16];
  /**
   * Ports of TCP, UDP, SCTP, DCCP and UDP-Lite; 0 for other protocols.
   */
  uint16_t src_port;
  /**
   * As `src_port`.
   */
  uint16_t dst_port;
  /**
   * VLAN identifiers, the outermost first; 0 where there is none.
   */
  uint16_t vlans[2];
  /**
   * Time to live, or hop limit.
   */
  uint8_t ttl;
  /**
   * The flags of TCP as on the wire, FIN 0x01 to CWR 0x80.
   */
  uint8_t tcp_flags;
  /**
   * The window of TCP as on the wire, without scaling.
   */
  uint16_t tcp_window;
  /**
   * The sequence number of TCP.
   */
  uint32_t tcp_seq;
  /**
   * The acknowledgement number of TCP.
   */
  uint32_t tcp_ack;
  /**
   * Type and code of ICMP.
   */
  uint8_t icmp_type;
  /**
   * As `icmp_type`.
   */
  uint8_t icmp_code;
  /**
   * The identifier of an ICMP query or its answer, such as an echo.
   */
  uint16_t icmp_id;
  /**
   * Whether the ICMP message has that identifier: 0 or 1.
   */
  int32_t icmp_has_id;
} nf_payload_info;

/**
 * A column that flow records may have. Its texts are the detector's.
 */
typedef struct nf_column {
  /**
   * `sizeof(nf_column)`; `NF_COLUMN_INIT` sets it.
   */
  size_t struct_size;
  /**
   * Its name.
   */
  const char *name;
  /**
   * The unit of its values, such as "bytes" or "s"; "" for a plain number.
   */
  const char *unit;
  /**
   * What it means, and what is written where there is none, in one sentence.
   */
  const char *meaning;
} nf_column;

/**
 * Flow records: rows of quantities in named columns, in the units of `nf_detector_column`.
 */
typedef struct nf_table {
  /**
   * `sizeof(nf_table)`; `NF_TABLE_INIT` sets it.
   */
  size_t struct_size;
  /**
   * The names of the columns, in UTF-8, each once; those that no head reads are left out. The program's.
   */
  const char *const *names;
  /**
   * How many columns there are.
   */
  size_t columns;
  /**
   * The quantities, row by row, `columns` a row; NaN where there is none. The program's.
   */
  const double *values;
  /**
   * How many rows there are.
   */
  size_t rows;
} nf_table;

/**
 * What a detector says of a flow record.
 */
typedef struct nf_row_verdict {
  /**
   * The share of benign sessions at least as strange, above 0 and at most 1.
   */
  double p_value;
  /**
   * How strange it is by itself; higher is stranger.
   */
  float score;
  /**
   * Whether it is above the cut of sessions judged by themselves: 0 or 1.
   */
  int32_t anomaly;
} nf_row_verdict;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The text of this thread's last error: one line in UTF-8, what, where, and what would be right; "" before the first.
 *
 * Ownership: the library's; it stands until the next call on this thread that fails. Threads: each has its own.
 */
const char *nf_last_error(void);

/**
 * A status as one or two words: "ok", "model file"; "unknown" for a number that is none.
 *
 * Ownership: the library's, for ever. Threads: any.
 */
const char *nf_status_name(int32_t status);

/**
 * The version of the library, such as "0.1.0".
 *
 * Ownership: the library's, for ever. Threads: any.
 */
const char *nf_version(void);

/**
 * The version of the interface that the library was built with: `NF_ABI_VERSION` of its own header. A program that was made
 * with another one must not use it.
 *
 * Threads: any.
 */
uint32_t nf_abi_version(void);

/**
 * Whether the library has a part: 1 if so, else 0. Parts are "neural" (the networks, which the default recipe needs) and
 * "head:NAME" (a head that `nf_trainer_config.heads` may name). 0 for null and for what it has never heard of.
 *
 * Threads: any.
 */
int32_t nf_has(const char *part);

/**
 * Opens a capture file.
 *
 * `path`: bytes as the system takes them (on Windows UTF-8), ended by a 0. Ownership: `*capture` is the caller's, to be freed
 * with `nf_capture_free`. Errors: `NF_ERR_IO`, `NF_ERR_CAPTURE` (empty, or no capture), `NF_ERR_UNSUPPORTED`. Threads: any.
 */
nf_status nf_capture_open(const char *path,
                          struct nf_capture **capture);

/**
 * Gives the next frame, in file order.
 *
 * `frame->data` is the capture's, and stands until the next call on it. `NF_EMPTY` at the end, for good. Errors:
 * `NF_ERR_CAPTURE` where the capture is cut off or damaged (path, packet number, byte), `NF_ERR_IO`; nothing follows
 * either. Threads: one at a time.
 */
nf_status nf_capture_next(struct nf_capture *capture, struct nf_frame *frame);

/**
 * Closes a capture. Null is fine.
 *
 * Threads: one at a time.
 */
void nf_capture_free(struct nf_capture *capture);

/**
 * Reads the sessions of a capture file into memory.
 *
 * `config`: null for the defaults. `threads`: how many work, the calling one among them; 0 for that alone, `NF_ALL_CORES` for one
 * a core; the sessions do not depend on it. Ownership: `*sessions` is the caller's, to be freed with
 * `nf_sessions_free`. Errors: as `nf_capture_open` and `nf_capture_next`, and `NF_ERR_CONFIG`. Threads: any.
 */
nf_status nf_sessions_read(const char *path,
                           const struct nf_session_config *config,
                           uint32_t threads,
                           struct nf_sessions **sessions);

/**
 * Says how many sessions there are. Errors: none but null pointers. Threads: may be shared.
 */
nf_status nf_sessions_count(const struct nf_sessions *sessions, size_t *count);

/**
 * Gives a session in numbers.
 *
 * `index`: from 0. Errors: `NF_ERR_ARGUMENT` where there are not so many. Threads: may be shared.
 */
nf_status nf_sessions_get(const struct nf_sessions *sessions, size_t index, struct nf_session_summary *summary);

/**
 * Frees sessions. Null is fine.
 *
 * Threads: one at a time.
 */
void nf_sessions_free(struct nf_sessions *sessions);

/**
 * Reads a detector from a model file (docs/file-format.md).
 *
 * Ownership: `*detector` is the caller's, to be freed with `nf_detector_free`. Errors: `NF_ERR_IO`; `NF_ERR_MODEL_FILE` where
 * it is no model file, a damaged or a newer one; `NF_ERR_SCHEMA` where this library takes other columns from sessions;
 * `NF_ERR_UNSUPPORTED` where a model is not built in. All name the path. Threads: any.
 */
nf_status nf_detector_load(const char *path,
                           struct nf_detector **detector);

/**
 * As `nf_detector_load`, from the bytes of a model file.
 *
 * `bytes`: the caller's, `count` of them; not kept. Ownership, errors, threads: as `nf_detector_load`.
 */
nf_status nf_detector_from_bytes(const uint8_t *bytes, size_t count, struct nf_detector **detector);

/**
 * Writes a detector to a model file, whole or not at all: an existing file stays until the new one is complete.
 *
 * Errors: `NF_ERR_IO` that names the path. Threads: may be shared.
 */
nf_status nf_detector_save(const struct nf_detector *detector, const char *path);

/**
 * Makes the same detector with another budget of false positives.
 *
 * `rate`: the share of benign sessions that may be called anomalies, above 0 and at most 0.5. Ownership: `*other` is the
 * caller's. Errors: `NF_ERR_CONFIG` out of that range, `NF_ERR_DATA` where it was calibrated on too few sessions to promise
 * it (the text says how many more). Threads: may be shared.
 */
nf_status nf_detector_with_rate(const struct nf_detector *detector,
                                double rate,
                                struct nf_detector **other);

/**
 * Says which doors the detector serves: `NF_DOOR_*`, added up. Another door gives `NF_ERR_SCHEMA`.
 *
 * Errors: null pointers. Threads: may be shared.
 */
nf_status nf_detector_doors(const struct nf_detector *detector, uint32_t *doors);

/**
 * Gives the name of a head.
 *
 * `index`: from 0. Ownership: `*name` is the detector's. Errors: `NF_ERR_ARGUMENT` where there are not so many: ask until
 * then. Threads: may be shared.
 */
nf_status nf_detector_head(const struct nf_detector *detector,
                           size_t index,
                           const char **name);

/**
 * Gives the budget: the share of benign sessions that may be called anomalies, and the cut that keeps it.
 *
 * `rate` and `threshold` may be null. Errors: null `detector`. Threads: may be shared.
 */
nf_status nf_detector_budget(const struct nf_detector *detector, double *rate, float *threshold);

/**
 * Gives how the packets of its training were cut into sessions.
 *
 * Ownership: `config->look_packets` is the detector's. Errors: null pointers, `struct_size`. Threads: may be shared.
 */
nf_status nf_detector_session_config(const struct nf_detector *detector, struct nf_session_config *config);

/**
 * Gives what it was made from, what it promises and what it does not see, in lines of text.
 *
 * Ownership: `*text` is the detector's. Errors: null pointers. Threads: may be shared.
 */
nf_status nf_detector_card(const struct nf_detector *detector, const char **text);

/**
 * Gives the card as JSON.
 *
 * Ownership: `*json` is the detector's. Errors: null pointers. Threads: may be shared.
 */
nf_status nf_detector_card_json(const struct nf_detector *detector, const char **json);

/**
 * Gives the card as a page that needs nothing else.
 *
 * Ownership: `*html` is the detector's. Errors: null pointers. Threads: may be shared.
 */
nf_status nf_detector_card_html(const struct nf_detector *detector, const char **html);

/**
 * Judges all sessions of a capture, as a monitor of its frames does: what adds up over the sessions of a pair of hosts decides.
 *
 * `verdicts`: room for `count` of them, the caller's, the first with its `struct_size` set; `count` must be that of the sessions. They
 * come in the order of the sessions. Errors: `NF_ERR_ARGUMENT`, `NF_ERR_DATA`. Threads: may be shared.
 */
nf_status nf_detector_judge_all(const struct nf_detector *detector,
                                const struct nf_sessions *sessions,
                                struct nf_verdict *verdicts,
                                size_t count);

/**
 * Frees a detector. Null is fine; monitors and contexts made from it go on.
 *
 * Threads: one at a time.
 */
void nf_detector_free(struct nf_detector *detector);

/**
 * Gives the whole explanation in lines: the verdict, then a fact each, then whether they explain it.
 *
 * Ownership: `*text` is the explanation's. Errors: null pointers. Threads: may be shared.
 */
nf_status nf_explanation_text(const struct nf_explanation *explanation, const char **text);

/**
 * Says how many facts there are, and whether the verdict is normal with all of them as expected (0 or 1).
 *
 * `turned_normal` may be null. Errors: null pointers. Threads: may be shared.
 */
nf_status nf_explanation_count(const struct nf_explanation *explanation, size_t *count, int32_t *turned_normal);

/**
 * Gives a fact, by falling part in the verdict.
 *
 * `index`: from 0. Ownership: its texts are the explanation's. Errors: `NF_ERR_ARGUMENT` where there are not so many.
 * Threads: may be shared.
 */
nf_status nf_explanation_fact(const struct nf_explanation *explanation, size_t index, struct nf_fact *fact);

/**
 * Gives the part of each of the session's first packets in its score, 0 to 1; all 0 where no head reads packets.
 *
 * Ownership: `*parts` is the explanation's, with `*count` numbers. Errors: null pointers. Threads: may be shared.
 */
nf_status nf_explanation_packets(const struct nf_explanation *explanation, const double **parts, size_t *count);

/**
 * Frees an explanation. Null is fine.
 *
 * Threads: one at a time.
 */
void nf_explanation_free(struct nf_explanation *explanation);

/**
 * Makes a trainer without sessions.
 *
 * `config`: null for the defaults. Ownership: `*trainer` is the caller's, to be freed with `nf_trainer_free`. Errors:
 * `NF_ERR_CONFIG` with name, value and range; `NF_ERR_UNSUPPORTED` where a head is not built in; `NF_ERR_ARGUMENT`.
 * Threads: any.
 */
nf_status nf_trainer_new(const struct nf_trainer_config *config, struct nf_trainer **trainer);

/**
 * Takes in a benign frame; frames come in the order of time. Sessions are kept until the trainer is freed.
 *
 * `frame->data` is the caller's and not kept. A frame that cannot be used is left out. Errors: `NF_ERR_ARGUMENT`. Threads: one at a
 * time.
 */
nf_status nf_trainer_push(struct nf_trainer *trainer,
                          const struct nf_frame *frame);

/**
 * Takes in all frames of a benign capture file, as those that follow what was taken in before.
 *
 * Errors: as `nf_capture_open` and `nf_capture_next`; what came before the damage was taken in. Threads: one at a time.
 */
nf_status nf_trainer_add_capture(struct nf_trainer *trainer, const char *path);

/**
 * Ends all sessions, and keeps those that follow apart: they are calibrated on, whole, and not fitted on. Called once, or never:
 * then the latest are held out.
 *
 * Errors: `NF_ERR_ARGUMENT` where it was called before. Threads: one at a time.
 */
nf_status nf_trainer_hold_out(struct nf_trainer *trainer);

/**
 * Says how many sessions have ended so far, of those in memory.
 *
 * Errors: null pointers. Threads: may be shared.
 */
nf_status nf_trainer_sessions(const struct nf_trainer *trainer, size_t *count);

/**
 * Ends all sessions and fits a detector on them. More may be taken in afterwards, and fitted anew; what follows of a session that
 * went on is another session then, also where the fit failed.
 *
 * `progress`: may be null; called on this thread with `user`. Ownership: `*detector` is the caller's, to be freed with
 * `nf_detector_free`. Errors: `NF_ERR_DATA` where there are too few sessions to learn from or to promise the budget (the text says
 * how many more), `NF_ERR_TRAINING`, `NF_ERR_CANCELED` where `progress` said stop; the trainer keeps its sessions.
 * Threads: one at a time.
 */
nf_status nf_trainer_fit(struct nf_trainer *trainer,
                         nf_progress_fn progress,
                         void *user,
                         struct nf_detector **detector);

/**
 * Frees a trainer. Null is fine; detectors that it fitted stay.
 *
 * Threads: one at a time; not from within `progress`.
 */
void nf_trainer_free(struct nf_trainer *trainer);

/**
 * Makes a monitor without sessions (door A).
 *
 * `config`: null for the defaults. Ownership: `*monitor` is the caller's, to be freed with `nf_monitor_free`; the detector may be
 * freed before it. Errors: `NF_ERR_CONFIG` where a value is out of its range, or sessions cut so would not mean to the
 * detector what those of its training did. Threads: any.
 */
nf_status nf_monitor_new(const struct nf_detector *detector,
                         const struct nf_monitor_config *config,
                         struct nf_monitor **monitor);

/**
 * Takes in one frame. One that cannot be used is counted (`nf_monitor_stats`), never an error.
 *
 * `frame->data` is the caller's and not kept. Pop every few frames: what waits is held within the memory limit and dropped
 * beyond it, and counted. Errors: `NF_ERR_ARGUMENT`. Threads: one at a time.
 */
nf_status nf_monitor_push(struct nf_monitor *monitor,
                          const struct nf_frame *frame);

/**
 * Says that it is `now_ns` (nanoseconds since the Unix epoch), so that silence ends sessions; a moment before the newest known
 * one is ignored, and more than a minute before it counted (`nf_stats.late_advances`).
 *
 * Errors: null pointers. Threads: one at a time.
 */
nf_status nf_monitor_advance(struct nf_monitor *monitor,
                             int64_t now_ns);

/**
 * Ends all sessions and incidents; what comes of it can be popped, and more frames may follow.
 *
 * Errors: null pointers. Threads: one at a time.
 */
nf_status nf_monitor_finish(struct nf_monitor *monitor);

/**
 * Gives the next event; `NF_EMPTY` where there is none before more frames come.
 *
 * Errors: `NF_ERR_ARGUMENT`. Threads: one at a time.
 */
nf_status nf_monitor_pop(struct nf_monitor *monitor, struct nf_event *event);

/**
 * Calls `on_event` with each event there is, with `user`, until it returns something else than 0.
 *
 * From within, the monitor may be asked about the event (`nf_monitor_text`, `_heads`, `_explain`), and not freed. The event is
 * as large as the library's struct, at least that of the header. Errors: `NF_ERR_ARGUMENT` where `on_event` is null.
 * Threads: one at a time.
 */
nf_status nf_monitor_drain(struct nf_monitor *monitor,
                           nf_event_fn on_event,
                           void *user);

/**
 * Gives the event last popped in one line of text. `NF_EMPTY` where there is none.
 *
 * Ownership: `*text` is the monitor's, until the next event is popped. Errors: null pointers. Threads: one at a time.
 */
nf_status nf_monitor_text(struct nf_monitor *monitor, const char **text);

/**
 * Gives what each head says in the event last popped, in the detector's order. `NF_EMPTY` where it has no verdict.
 *
 * Ownership: `*heads`, with `*count` of them, is the monitor's, until the next event is popped. Errors: null pointers.
 * Threads: one at a time.
 */
nf_status nf_monitor_heads(struct nf_monitor *monitor, const struct nf_head_verdict **heads, size_t *count);

/**
 * Explains the event last popped: a look, a verdict, or the strangest session of an incident. `NF_EMPTY` for another.
 *
 * This takes milliseconds: for alerts, not for every session. Ownership: `*explanation` is the caller's, to be freed with
 * `nf_explanation_free`. Errors: null pointers, `NF_ERR_DATA`. Threads: one at a time.
 */
nf_status nf_monitor_explain(struct nf_monitor *monitor,
                             struct nf_explanation **explanation);

/**
 * Gives what went in and came out so far.
 *
 * Errors: null pointers, `struct_size`. Threads: may be shared.
 */
nf_status nf_monitor_stats(const struct nf_monitor *monitor, struct nf_stats *stats);

/**
 * Gives why frames could not be used, and how often, in words: "12 llc, 3 not_ip_or_arp 0x88cc"; "" where all could.
 *
 * Ownership: `*text` is the monitor's, until the next call of this function. Errors: null pointers. Threads: one at a time.
 */
nf_status nf_monitor_skipped(struct nf_monitor *monitor,
                             const char **text);

/**
 * Frees a monitor, with what it still has to say. Null is fine.
 *
 * Threads: one at a time; not from within `on_event`.
 */
void nf_monitor_free(struct nf_monitor *monitor);

/**
 * Makes a context without sessions (door B). One for each worker thread of the host.
 *
 * `config`: null for the defaults; of its sessions the timeouts do not count, as the host ends them. Pop every few sessions, also
 * where each is judged by a call: alerts at open sessions, incidents and drift come by `nf_context_pop` alone. What nobody pops is
 * dropped, the oldest first, once more than 256 events wait and take more than a 16th of the memory limit; `nf_context_stats` counts
 * it. Ownership: `*context` is the
 * caller's, to be freed with `nf_context_free`; the detector may be freed before it. Errors: as `nf_monitor_new`. Threads: any.
 */
nf_status nf_context_new(const struct nf_detector *detector,
                         const struct nf_monitor_config *config,
                         struct nf_context **context);

/**
 * Makes a session without packets.
 *
 * Ownership: `*session` is the caller's, to be freed with `nf_session_free`. Errors: null pointers. Threads: any.
 */
nf_status nf_session_new(struct nf_session **session);

/**
 * Takes in a frame of a session. Which way it goes follows from its addresses; the end that sent the first packet is orig.
 *
 * `frame->data` is the caller's and not kept. `NF_SKIPPED` where it cannot be used, which is counted. Errors: `NF_ERR_ARGUMENT`, also
 * where the session belongs to another context. Threads: context and session one at a time.
 */
nf_status nf_session_push_frame(struct nf_context *context,
                                struct nf_session *session,
                                const struct nf_frame *frame);

/**
 * Takes in a packet of a session, from its IP header on.
 *
 * `data`: `captured_len` bytes, the caller's and not kept. `wire_len`: bytes of the whole frame on the wire, link header included, as
 * the detector's training counted them; a host that does not know adds 14 to the length that the IP header says. `time_ns`:
 * nanoseconds since the Unix epoch. News, threads: as `nf_session_push_frame`. Errors: as there, and `NF_ERR_ARGUMENT` where `wire_len`
 * is 0.
 */
nf_status nf_session_push_ip(struct nf_context *context,
                             struct nf_session *session,
                             const uint8_t *data,
                             uint32_t captured_len,
                             uint32_t wire_len,
                             int64_t time_ns);

/**
 * Takes in a packet of a session that the host decoded.
 *
 * `info->payload` is the caller's and not kept. Errors, threads: as `nf_session_push_frame`.
 */
nf_status nf_session_push_payload_info(struct nf_context *context,
                                       struct nf_session *session,
                                       const struct nf_payload_info *info);

/**
 * Says what the detector thinks of a session as it is. Asking changes nothing of what is said later. `NF_EMPTY` where it has no
 * packet, or was ended early because memory was at its limit (its verdict is among the events then).
 *
 * Errors: `NF_ERR_ARGUMENT`, `NF_ERR_DATA`. Threads: the context one at a time; the session may be shared.
 */
nf_status nf_session_judge(struct nf_context *context,
                           const struct nf_session *session,
                           struct nf_verdict *verdict);

/**
 * Explains what the detector thinks of a session as it is. `NF_EMPTY` as `nf_session_judge`.
 *
 * This takes milliseconds. Ownership: `*explanation` is the caller's, to be freed with `nf_explanation_free`. Errors, threads: as
 * `nf_session_judge`.
 */
nf_status nf_session_explain(struct nf_context *context,
                             const struct nf_session *session,
                             struct nf_explanation **explanation);

/**
 * Ends a session and judges it. The handle is as new then: the next packet begins another session, of any context.
 *
 * `reason`: an `nf_end_reason` but `NF_END_OPEN`. `verdict` may be null: then the verdict comes among the events, and many are judged at
 * once, which costs less. Either way, pop what comes of it (`nf_context_pop`). `NF_EMPTY` as `nf_session_judge`. Errors: `NF_ERR_ARGUMENT`, and then it goes on; `NF_ERR_DATA`. Threads: context and
 * session one at a time.
 */
nf_status nf_session_end(struct nf_context *context,
                         struct nf_session *session,
                         int32_t reason,
                         struct nf_verdict *verdict);

/**
 * Frees the handle of a session. Null is fine. One that was not ended stays open in its context until that is finished or has no
 * room: end it first.
 *
 * Threads: one at a time; any, also after its context is gone.
 */
void nf_session_free(struct nf_session *session);

/**
 * Says that it is `now_ns` (nanoseconds since the Unix epoch), so that silence is known; a moment before the newest known one is
 * ignored.
 *
 * Errors: null pointers. Threads: one at a time.
 */
nf_status nf_context_advance(struct nf_context *context,
                             int64_t now_ns);

/**
 * Ends all sessions and incidents; what comes of it can be popped.
 *
 * Errors: null pointers. Threads: one at a time.
 */
nf_status nf_context_finish(struct nf_context *context);

/**
 * Gives the next event: alerts at open sessions, incidents, drift, and the verdicts that no call gave. `NF_EMPTY` where there is
 * none.
 *
 * Errors: `NF_ERR_ARGUMENT`. Threads: one at a time.
 */
nf_status nf_context_pop(struct nf_context *context,
                         struct nf_event *event);

/**
 * Gives the session that was last popped, judged or ended, in numbers. `NF_EMPTY` where there is none.
 *
 * Errors: null pointers, `struct_size`. Threads: may be shared.
 */
nf_status nf_context_session(const struct nf_context *context, struct nf_session_summary *summary);

/**
 * Gives what was last popped, judged or ended in one line of text. `NF_EMPTY` where there is none.
 *
 * Ownership: `*text` is the context's, until the next of these. Errors: null pointers. Threads: one at a time.
 */
nf_status nf_context_text(struct nf_context *context, const char **text);

/**
 * Gives what each head says in what was last popped, judged or ended. `NF_EMPTY` where that has no verdict.
 *
 * Ownership: `*heads`, with `*count` of them, is the context's, until the next of these. Errors: null pointers. Threads: one at a
 * time.
 */
nf_status nf_context_heads(struct nf_context *context,
                           const struct nf_head_verdict **heads,
                           size_t *count);

/**
 * Explains what was last popped, judged or ended. `NF_EMPTY` where there is nothing to explain.
 *
 * Ownership, errors: as `nf_monitor_explain`. Threads: one at a time.
 */
nf_status nf_context_explain(struct nf_context *context, struct nf_explanation **explanation);

/**
 * Gives what went in and came out so far.
 *
 * Errors: null pointers, `struct_size`. Threads: may be shared.
 */
nf_status nf_context_stats(const struct nf_context *context, struct nf_stats *stats);

/**
 * Gives why frames could not be used (`NF_SKIPPED`), and how often, in words: "12 llc, 3 not_ip_or_arp 0x88cc"; "" where all could.
 *
 * Ownership: `*text` is the context's, until the next call of this function. Errors: null pointers. Threads: one at a time.
 */
nf_status nf_context_skipped(struct nf_context *context,
                             const char **text);

/**
 * Frees a context, with all sessions that are open in it. Null is fine. The handles of its sessions stay, and those that were not
 * ended can only be freed: any other context refuses them. So a host that loads another detector keeps the context until the flows
 * that began in it have ended, or finishes and pops it, and gives its flows new sessions.
 *
 * Threads: one at a time.
 */
void nf_context_free(struct nf_context *context);

/**
 * Gives a column that the detector's heads read.
 *
 * `index`: from 0. Ownership: its texts are the detector's. Errors: `NF_ERR_ARGUMENT` where there are not so many: ask until then.
 * Threads: may be shared.
 */
nf_status nf_detector_column(const struct nf_detector *detector,
                             size_t index,
                             struct nf_column *column);

/**
 * Judges flow records, each by itself, without packets.
 *
 * `verdicts`: room for `count` of them, the caller's; `count` must be `table->rows`. Errors: `NF_ERR_SCHEMA` that names the head,
 * where one reads packets or a column that the table has not; `NF_ERR_CONFIG` where two columns have one name; `NF_ERR_DATA` where a value
 * is infinite, or is NaN in a column that knows no absence (row and column are said); nothing is written then. Threads: may
 * be shared.
 */
nf_status nf_detector_score_rows(const struct nf_detector *detector,
                                 const struct nf_table *table,
                                 struct nf_row_verdict *verdicts,
                                 size_t count);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NF_H */

#ifndef NF_INIT
#ifdef __cplusplus
#define NF_INIT(T) ([] { T nf_init{}; nf_init.struct_size = sizeof(T); return nf_init; }())
#else
#define NF_INIT(T) { .struct_size = sizeof(T) }
#endif
/* The structs in an event are whole ones as well. */
#ifdef __cplusplus
#define NF_EVENT_INIT ([] { \
  nf_event nf_init{}; \
  nf_init.struct_size = sizeof(nf_event); \
  nf_init.session.struct_size = sizeof(nf_session_summary); \
  nf_init.verdict.struct_size = sizeof(nf_verdict); \
  return nf_init; \
}())
#else
#define NF_EVENT_INIT { \
  .struct_size = sizeof(nf_event), \
  .session = { .struct_size = sizeof(nf_session_summary) }, \
  .verdict = { .struct_size = sizeof(nf_verdict) } \
}
#endif

/* What structs start as. */
#define NF_FRAME_INIT NF_INIT(nf_frame)
#define NF_PAYLOAD_INFO_INIT NF_INIT(nf_payload_info)
#define NF_SESSION_CONFIG_INIT NF_INIT(nf_session_config)
#define NF_SESSION_SUMMARY_INIT NF_INIT(nf_session_summary)
#define NF_VERDICT_INIT NF_INIT(nf_verdict)
#define NF_FACT_INIT NF_INIT(nf_fact)
#define NF_COLUMN_INIT NF_INIT(nf_column)
#define NF_TABLE_INIT NF_INIT(nf_table)
#define NF_TRAINER_CONFIG_INIT NF_INIT(nf_trainer_config)
#define NF_MONITOR_CONFIG_INIT NF_INIT(nf_monitor_config)
#define NF_STATS_INIT NF_INIT(nf_stats)
#endif
