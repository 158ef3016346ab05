#include "tools/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>

namespace bellis {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
constexpr int kPatience = 3;

// Lock-free, so that a signal handler may use them.
std::atomic<int> interrupt_count{0};
std::atomic<int> interrupt_signal{0};

void OnInterrupt(int signal) {
  int none = 0;
  interrupt_signal.compare_exchange_strong(none, signal);
  if (++interrupt_count >= kPatience) ::_exit(128 + signal);
}

void MaskInterrupts(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  pthread_sigmask(how, &set, nullptr);
}

}  // namespace

void CatchInterrupts() {
  for (const int signal : kSignals) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = OnInterrupt;  // without SA_RESTART: waits end
    ::sigaction(signal, &action, nullptr);
  }
}

void InterruptsEndThisProcess() {
  for (const int signal : kSignals) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler != OnInterrupt) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
  MaskInterrupts(SIG_UNBLOCK);
}

int InterruptCount() { return interrupt_count; }
int InterruptSignal() { return interrupt_signal; }

InterruptsBlocked::InterruptsBlocked() { MaskInterrupts(SIG_BLOCK); }
InterruptsBlocked::~InterruptsBlocked() { MaskInterrupts(SIG_UNBLOCK); }

}  // namespace bellis
