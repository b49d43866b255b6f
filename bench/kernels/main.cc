// Times the kernels on this computer's cores.
#include "bench/roofline.h"

int main(int argc, char** argv) { return hilum::bench::RunBenches(argc, argv); }
