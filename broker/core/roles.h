#pragma once

// Who may send which message (MESSAGES.md, "Roles"). Each message is in exactly one list. A
// function that takes the messages of a role names those that it answers, and refuses the other
// lists. The code does not compile if a message is in no list, or if no function answers it.

#include "broker/core/overload.h"
#include "common/protocol/messages.h"

namespace bellis {

/// All roles.
template <typename M>
concept AnybodySends = OneOf<M, HelloMsg, PingMsg, ByeMsg>;

template <typename M>
concept WorkerSends = OneOf<M, AcquireMsg, ReleaseMsg>;

template <typename M>
concept ClientSends = OneOf<M, SubmitMsg, StatusMsg, CancelMsg, WatchMsg, ExplainMsg,
                            RetryFailedMsg, PauseMsg, ResumeMsg, SetWorkersMsg, WorkerGoneMsg>;

template <typename M>
concept LauncherSends = OneOf<M, LaunchedMsg, ExitedMsg>;

/// Messages that only the broker sends.
template <typename M>
concept BrokerSends = OneOf<M, WelcomeMsg, WorkMsg, DrainMsg, LeaveMsg, PongMsg, ErrorMsg,
                            SubmittedMsg, JobsMsg, CancelledMsg, ProgressMsg, EndedMsg, LaunchMsg,
                            StopMsg, ExplainedMsg, CommittedMsg, RetriedMsg, OkMsg, RecallMsg>;

// Messages that a role may not send.
template <typename M>
concept NotFromWorkers = ClientSends<M> || LauncherSends<M> || BrokerSends<M>;

template <typename M>
concept NotFromClients = WorkerSends<M> || LauncherSends<M> || BrokerSends<M>;

template <typename M>
concept NotFromLaunchers = WorkerSends<M> || ClientSends<M> || BrokerSends<M>;

}  // namespace bellis
