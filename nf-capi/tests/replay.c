/*
 * Sends the frames of a capture over an interface of Linux, a few thousand a second.
 *
 *   replay CAPTURE INTERFACE [FRAMES]
 */
#include "kit.h"
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  size_t most = argc > 3 ? strtoul(argv[3], NULL, 10) : SIZE_MAX, sent = 0;
  int to = socket(AF_PACKET, SOCK_RAW, 0);
  CHECK(to >= 0);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[2]), .sll_halen = 6};
  CHECK(address.sll_ifindex > 0);
  nf_capture *capture;
  nf_frame frame = NF_FRAME_INIT;
  GIVES(NF_OK, nf_capture_open(argv[1], &capture));
  while (sent < most && nf_capture_next(capture, &frame) == NF_OK) {
    if (frame.captured_len < 14 || frame.captured_len > 1514) continue;
    CHECK(sendto(to, frame.data, frame.captured_len, 0, (struct sockaddr *)&address, sizeof address) == (ssize_t)frame.captured_len);
    if (++sent % 16 == 0) usleep(2000);
  }
  nf_capture_free(capture);
  close(to);
  printf("%zu\n", sent);
  return 0;
}
