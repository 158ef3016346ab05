#include "tools/commands.h"

#include "client/cpp/environment.h"
#include "tools/exit_code.h"

namespace bellis {

void AddBrokerOptions(CLI::App* command, BrokerAddress* address) {
  command->add_option("--endpoint", address->endpoint, "the broker: ipc://PATH or tcp://HOST:PORT")
      ->envname("BELLIS_ENDPOINT")
      ->capture_default_str();
  command->add_option("--token-file", address->token_file,
                      "file with the broker's token (else BELLIS_TOKEN, BELLIS_TOKEN_FILE)");
}

Result<std::string> TokenOf(const BrokerAddress& address) {
  if (!address.token_file.empty()) return ReadTokenFile(address.token_file);
  return TokenFromEnvironment();
}

Result<Control> ConnectTo(const BrokerAddress& address) {
  Result<std::string> token = TokenOf(address);
  if (!token.ok()) return token.error();
  const Result<Duration> timeout = ConnectTimeoutFromEnvironment(Duration::Seconds(5));
  if (!timeout.ok()) return timeout.error();
  return Control::Connect({address.endpoint, *token, *timeout});
}

int BellisMain(int argc, char** argv) {
  CLI::App app{"Bellis: blockwise tasks over volumes too large for one machine's memory."};
  app.name("bellis");
  app.set_version_flag("--version", "bellis " BELLIS_VERSION);
  app.require_subcommand(1);
  app.footer(kExitCodeHelp);
  int exit_code = kExitOk;
  AddRunCommand(&app, &exit_code);
  AddSubmitCommand(&app, &exit_code);
  AddStatusCommand(&app, &exit_code);
  AddWatchCommand(&app, &exit_code);
  AddCancelCommand(&app, &exit_code);
  AddExecCommand(&app, &exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitBadInput;
  }
  return exit_code;
}

}  // namespace bellis
