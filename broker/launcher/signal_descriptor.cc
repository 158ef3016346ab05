#include "broker/launcher/signal_descriptor.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <initializer_list>

namespace bellis {

int SignalDescriptor() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int sig : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, sig);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  // If the parent ignored SIGCHLD, this process would inherit that, and the kernel would reap its
  // children.
  signal(SIGCHLD, SIG_DFL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace bellis
