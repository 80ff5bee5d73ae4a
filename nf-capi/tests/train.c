/* Makes a model for the other tests: train BENIGN MODEL FRAMES [HEAD..]. FRAMES: of how many frames, 0 for all; of few it promises little. */
#include "kit.h"

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  size_t most = strtoul(argv[3], NULL, 10);
  nf_trainer_config config = NF_TRAINER_CONFIG_INIT;
  config.seed = 7;
  config.threads = NF_ALL_CORES;
  config.heads = (const char *const *)argv + 4;
  config.head_count = (size_t)argc - 4;
  if (most) config.false_positive_rate = 0.2;
  nf_trainer *trainer;
  nf_detector *detector;
  GIVES(NF_OK, nf_trainer_new(&config, &trainer));
  if (most) {
    struct frames frames = read_frames(argv[1], most);
    for (size_t i = 0; i < frames.count; i++) GIVES(NF_OK, nf_trainer_push(trainer, &frames.frames[i]));
    free_frames(frames);
  } else {
    GIVES(NF_OK, nf_trainer_add_capture(trainer, argv[1]));
  }
  GIVES(NF_OK, nf_trainer_fit(trainer, NULL, NULL, &detector));
  GIVES(NF_OK, nf_detector_save(detector, argv[2]));
  nf_detector_free(detector);
  nf_trainer_free(trainer);
  return 0;
}
