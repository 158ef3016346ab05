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
  // An ignored SIGCHLD, inherited from who started us, would reap our children behind our back.
  signal(SIGCHLD, SIG_DFL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace bellis
