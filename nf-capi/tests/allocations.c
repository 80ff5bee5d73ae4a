/*
 * On the steady path a packet allocates nothing: what is allocated while packets of known sessions go by is counted, at doors A and B,
 * and is nothing but what looks at the sessions take.
 *
 *   allocations MODEL
 */
#define _GNU_SOURCE
#include "kit.h"
#include <dlfcn.h>
#include <stdatomic.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_ulong allocated;

void *malloc(size_t size) {
  allocated++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocated++;
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  allocated++;
  return __libc_realloc(old, size);
}

int posix_memalign(void **to, size_t alignment, size_t size) {
  allocated++;
  *to = __libc_memalign(alignment, size);
  return *to ? 0 : 12;
}

void *aligned_alloc(size_t alignment, size_t size) {
  allocated++;
  return __libc_memalign(alignment, size);
}

enum { TALKS = 20 };

/* What packets `from` to `to` of some talks, one packet each in turn, allocate. Events are asked for behind each. */
static unsigned long counted(nf_monitor *monitor, nf_context *context, nf_session **sessions, uint32_t from, uint32_t to) {
  static uint8_t bytes[2048];
  nf_event event = NF_EVENT_INIT;
  unsigned long before = allocated;
  for (uint32_t i = from; i < to; i++) {
    for (uint16_t client = 0; client < TALKS; client++) {
      nf_frame frame = talk(bytes, i, (uint16_t)(client + 2), 40000, EPOCH);
      nf_status status = monitor ? nf_monitor_push(monitor, &frame) : nf_session_push_frame(context, sessions[client], &frame);
      if (status != NF_OK) exit(1);
      while ((monitor ? nf_monitor_pop(monitor, &event) : nf_context_pop(context, &event)) == NF_OK) {}
    }
  }
  return allocated - before;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  nf_detector *detector;
  nf_monitor *monitor;
  nf_context *context;
  nf_session *sessions[TALKS];
  GIVES(NF_OK, nf_detector_load(argv[1], &detector));
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  GIVES(NF_OK, nf_context_new(detector, NULL, &context));
  for (int i = 0; i < TALKS; i++) GIVES(NF_OK, nf_session_new(&sessions[i]));
  /* Looks are at 8, 32, 128, 512 and 2048 packets: up to 500 they are behind, and the next are ahead. */
  for (int door = 0; door < 2; door++) {
    nf_monitor *a = door == 0 ? monitor : NULL;
    unsigned long opening = counted(a, context, sessions, 0, 140);
    unsigned long steady = counted(a, context, sessions, 140, 500);
    printf("door %c: %lu allocations for the first 140 packets of %d sessions, %lu for 360 more\n", "AB"[door], opening, TALKS, steady);
    CHECK(opening > TALKS && steady == 0);
  }
  for (int i = 0; i < TALKS; i++) nf_session_free(sessions[i]);
  nf_context_free(context);
  nf_monitor_free(monitor);
  nf_detector_free(detector);
  return 0;
}
