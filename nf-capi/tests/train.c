/* Makes a model for the other tests: train BENIGN MODEL [HEAD..]. */
#include "kit.h"

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  nf_trainer_config config = NF_TRAINER_CONFIG_INIT;
  config.seed = 7;
  config.threads = NF_ALL_CORES;
  config.heads = (const char *const *)argv + 3;
  config.head_count = (size_t)argc - 3;
  nf_trainer *trainer;
  nf_detector *detector;
  GIVES(NF_OK, nf_trainer_new(&config, &trainer));
  GIVES(NF_OK, nf_trainer_add_capture(trainer, argv[1]));
  GIVES(NF_OK, nf_trainer_fit(trainer, NULL, NULL, &detector));
  GIVES(NF_OK, nf_detector_save(detector, argv[2]));
  nf_detector_free(detector);
  nf_trainer_free(trainer);
  return 0;
}
