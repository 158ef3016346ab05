#include "tools/commands.h"

int main(int argc, char** argv) { return bellis::BellisMain(argc, argv); }
