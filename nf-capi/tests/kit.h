/* What the C tests share: checks, frames built byte by byte, captures in memory. */
#ifndef KIT_H
#define KIT_H

#include <nf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local int checks;

#define CHECK(what)                                                                       \
  do {                                                                                    \
    checks++;                                                                             \
    if (!(what)) {                                                                        \
      fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #what, nf_last_error()); \
      exit(1);                                                                            \
    }                                                                                     \
  } while (0)

/* That a call gives a status. */
#define GIVES(status, call)                                                                                         \
  do {                                                                                                              \
    nf_status came = (call);                                                                                        \
    checks++;                                                                                                       \
    if (came != (status))  {                                                                                        \
      fprintf(stderr, "%s:%d: %s gives %s, not %s (%s)\n", __FILE__, __LINE__, #call, nf_status_name(came),         \
              nf_status_name(status), nf_last_error());                                                             \
      exit(1);                                                                                                      \
    }                                                                                                               \
  } while (0)

/* That a call fails, with a text that holds some words. */
#define FAILS(status, words, call)                                                                         \
  do {                                                                                                     \
    GIVES(status, call);                                                                                   \
    if (!strstr(nf_last_error(), words)) {                                                                 \
      fprintf(stderr, "%s:%d: \"%s\" does not say \"%s\"\n", __FILE__, __LINE__, nf_last_error(), words);  \
      exit(1);                                                                                             \
    }                                                                                                      \
  } while (0)

#define SECOND INT64_C(1000000000)
#define EPOCH (INT64_C(1500000000) * SECOND)

/* Frames in memory. */
struct frames {
  nf_frame *frames;
  size_t count;
};

/* The first frames of a capture, at most so many. */
static inline struct frames read_frames(const char *path, size_t most) {
  struct frames read = {NULL, 0};
  size_t room = 0;
  nf_capture *capture;
  nf_frame frame = NF_FRAME_INIT;
  GIVES(NF_OK, nf_capture_open(path, &capture));
  while (read.count < most && nf_capture_next(capture, &frame) == NF_OK) {
    if (read.count == room) {
      room = room ? 2 * room : 1024;
      read.frames = realloc(read.frames, room * sizeof *read.frames);
      CHECK(read.frames);
    }
    uint8_t *data = malloc(frame.captured_len ? frame.captured_len : 1);
    CHECK(data);
    memcpy(data, frame.data, frame.captured_len);
    frame.data = data;
    read.frames[read.count++] = frame;
  }
  nf_capture_free(capture);
  return read;
}

static inline void free_frames(struct frames frames) {
  for (size_t i = 0; i < frames.count; i++) free((void *)(uintptr_t)frames.frames[i].data);
  free(frames.frames);
}

/* A frame of Ethernet, IPv4 and TCP or UDP with some payload; hosts are 10.0.a.b. Gives its length. */
static inline uint32_t build(uint8_t *to, int tcp, uint16_t src, uint16_t src_port, uint16_t dst, uint16_t dst_port, uint8_t flags,
                             uint32_t seq, uint32_t payload) {
  uint32_t header = tcp ? 20 : 8, ip = 20 + header + payload;
  memset(to, 0, 14 + ip);
  to[5] = (uint8_t)dst;
  to[11] = (uint8_t)src;
  to[12] = 8;
  uint8_t *p = to + 14;
  p[0] = 0x45;
  p[2] = (uint8_t)(ip >> 8);
  p[3] = (uint8_t)ip;
  p[8] = 64;
  p[9] = tcp ? 6 : 17;
  p[12] = 10;
  p[14] = (uint8_t)(src >> 8);
  p[15] = (uint8_t)src;
  p[16] = 10;
  p[18] = (uint8_t)(dst >> 8);
  p[19] = (uint8_t)dst;
  p += 20;
  p[0] = (uint8_t)(src_port >> 8);
  p[1] = (uint8_t)src_port;
  p[2] = (uint8_t)(dst_port >> 8);
  p[3] = (uint8_t)dst_port;
  if (tcp) {
    for (int i = 0; i < 4; i++) p[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
    p[12] = 0x50;
    p[13] = flags;
    p[14] = 0xff;
  } else {
    p[4] = (uint8_t)((8 + payload) >> 8);
    p[5] = (uint8_t)(8 + payload);
  }
  for (uint32_t i = 0; i < payload; i++) p[header + i] = (uint8_t)(i * 7 + seq);
  return 14 + ip;
}

/* Packet `i` of a talk over TCP between two hosts: handshake, then payload both ways. Gives a frame whose bytes are in `to`. */
static inline nf_frame talk(uint8_t *to, uint32_t i, uint16_t client, uint16_t port, int64_t start) {
  int back = i == 1 || (i > 2 && i % 2 == 0);
  uint8_t flags = i == 0 ? 0x02 : i == 1 ? 0x12 : i == 2 ? 0x10 : 0x18;
  uint32_t payload = i < 3 ? 0 : back ? 600 : 80;
  nf_frame frame = NF_FRAME_INIT;
  frame.data = to;
  frame.captured_len = back ? build(to, 1, 1, 443, client, port, flags, 1000 + i * 600, payload)
                            : build(to, 1, client, port, 1, 443, flags, 5000 + i * 80, payload);
  frame.link_type = 1;
  frame.time_ns = start + (int64_t)i * 10000000;
  return frame;
}

/* CRC-32 as of zlib. */
static inline uint32_t crc32(const uint8_t *bytes, size_t count) {
  static uint32_t table[256];
  if (!table[1]) {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; bit++) c = c & 1 ? UINT32_C(0xedb88320) ^ c >> 1 : c >> 1;
      table[i] = c;
    }
  }
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < count; i++) crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8;
  return ~crc;
}

/* Gives a model file the checksum of what it holds, so that what is damaged is read. */
static inline void seal(uint8_t *model, size_t count) {
  uint32_t crc = crc32(model, count - 4);
  for (int i = 0; i < 4; i++) model[count - 4 + (size_t)i] = (uint8_t)(crc >> (8 * i));
}

/* splitmix64: numbers that a seed gives. */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

#endif
