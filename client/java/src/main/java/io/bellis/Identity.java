package io.bellis;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where this process runs, as a hello says it.
 *
 * @param host its name
 * @param pid the process
 * @param machine kernel and pid namespace (WORKERS.md, "Machine"); empty where that is not known
 */
record Identity(String host, long pid, String machine) {
  static Identity ofThisProcess() {
    return new Identity(hostName(), ProcessHandle.current().pid(), machineName());
  }

  private static String hostName() {
    try {
      return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
    } catch (IOException elsewhere) {
      try {
        return InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException unknown) {
        return "";
      }
    }
  }

  private static String machineName() {
    try {
      String boot = Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
      return boot + ":" + Files.readSymbolicLink(Path.of("/proc/self/ns/pid"));
    } catch (IOException elsewhere) {
      return "";
    }
  }
}
