/*
 * What was made before fork() goes on in both processes, and both say the same.
 *
 *   forks MODEL CAPTURE
 */
#include "kit.h"
#include <sys/wait.h>
#include <unistd.h>

static uint64_t rest(nf_monitor *monitor, struct frames frames, size_t from) {
  uint64_t sum = 0;
  nf_event event = NF_EVENT_INIT;
  for (size_t i = from; i <= frames.count; i++) {
    GIVES(NF_OK, i < frames.count ? nf_monitor_push(monitor, &frames.frames[i]) : nf_monitor_finish(monitor));
    while (nf_monitor_pop(monitor, &event) == NF_OK) {
      uint32_t bits;
      memcpy(&bits, &event.verdict.score, sizeof bits);
      sum = sum * 31 + bits + (uint64_t)event.kind;
    }
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  struct frames frames = read_frames(argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 20000);
  nf_detector *detector;
  nf_monitor *monitor;
  nf_trainer *trainer;
  GIVES(NF_OK, nf_detector_load(argv[1], &detector));
  GIVES(NF_OK, nf_monitor_new(detector, NULL, &monitor));
  nf_trainer_config config = NF_TRAINER_CONFIG_INIT;
  const char *heads[] = {"forest"};
  config.heads = heads;
  config.head_count = 1;
  config.threads = 2;
  config.false_positive_rate = 0.2;
  GIVES(NF_OK, nf_trainer_new(&config, &trainer));
  size_t half = frames.count / 2;
  for (size_t i = 0; i < half; i++) {
    GIVES(NF_OK, nf_monitor_push(monitor, &frames.frames[i]));
    GIVES(NF_OK, nf_trainer_push(trainer, &frames.frames[i]));
  }
  FAILS(NF_ERR_ARGUMENT, "monitor is null", nf_monitor_finish(NULL));
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(strstr(nf_last_error(), "monitor is null"));
    uint64_t sum = rest(monitor, frames, half);
    /* Threads that are asked for are started in the child too. */
    nf_detector *fitted;
    GIVES(NF_OK, nf_trainer_fit(trainer, NULL, NULL, &fitted));
    nf_detector_free(fitted);
    CHECK(write(pipes[1], &sum, sizeof sum) == sizeof sum);
    nf_trainer_free(trainer);
    nf_monitor_free(monitor);
    nf_detector_free(detector);
    free_frames(frames);
    return 0;
  }
  close(pipes[1]); /* a child that ends early is the end of the file */
  uint64_t sum = rest(monitor, frames, half), of_child = 0;
  CHECK(read(pipes[0], &of_child, sizeof of_child) == sizeof of_child);
  int how = 1;
  CHECK(waitpid(child, &how, 0) == child && how == 0);
  CHECK(sum != 0 && sum == of_child);
  nf_trainer_free(trainer);
  nf_monitor_free(monitor);
  nf_detector_free(detector);
  free_frames(frames);
  printf("%d checks\n", checks);
  return 0;
}
