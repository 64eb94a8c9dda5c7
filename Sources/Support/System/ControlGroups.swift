import Foundation

/// The control groups that a Linux process is in, which bound its memory and its processors' time in containers and
/// services. Each group above its own bounds it too.
package struct ControlGroups {
  private struct Group {
    let limit: Int
    let used: Int
    /// Cached pages of files that the system gives back when memory is short.
    let givenBack: Int
  }

  private let groups: [Group]
  /// As many processors' time as the process may take; nil without a limit.
  package let processors: Double?

  /// - Parameters:
  ///   - membership: the file that tells which groups the process is in.
  ///   - mount: where the groups' files lie.
  package init(membership: String = "/proc/self/cgroup", mount: String = "/sys/fs/cgroup") {
    var groups: [Group] = []
    var processors: [Double] = []
    for line in (MachineMemory.text(membership) ?? "").split(separator: "\n") {
      // For instance "0::/user.slice", or "9:memory:/docker/1234" before version 2.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",")
      if parts[1].isEmpty || controllers.contains("cpu") {
        let folders = Self.folders(parts[1].isEmpty ? mount : mount + "/cpu", parts[2])
        processors += folders.compactMap { Self.processors($0, isSecond: parts[1].isEmpty) }
      }
      if parts[1].isEmpty {
        groups += Self.groups(
          mount, parts[2], ["memory.max", "memory.high"], "memory.current", "inactive_file")
      } else if controllers.contains("memory") {
        groups += Self.groups(
          mount + "/memory", parts[2], ["memory.limit_in_bytes"], "memory.usage_in_bytes",
          "total_inactive_file"
        )
      }
    }
    self.groups = groups
    self.processors = processors.min()
  }

  /// Bytes that the process can still take; nil without a limit.
  package var available: Int? {
    groups.map { max(min($0.limit - $0.used + $0.givenBack, $0.limit), 0) }.min()
  }

  /// Bytes that the process may have at most; nil without a limit.
  package var limit: Int? { groups.map(\.limit).min() }

  /// The groups with a limit, from the process's own up to the mount.
  private static func groups(
    _ mount: String, _ path: String, _ limits: [String], _ usage: String, _ cached: String
  ) -> [Group] {
    folders(mount, path).compactMap { folder in
      guard let limit = limits.compactMap({ number(folder + "/" + $0) }).min(), limit < Int.max >> 4 else {
        return nil
      }
      return Group(
        limit: limit, used: number(folder + "/" + usage) ?? 0,
        givenBack: statistic(folder + "/memory.stat", cached) ?? 0)
    }
  }

  /// The folders of the process's own group and of those above, up to the mount. A container sees its own group at the
  /// mount, whatever the path says.
  private static func folders(_ mount: String, _ path: String) -> [String] {
    let parts = path.split(separator: "/").filter { $0 != ".." }.map(String.init)
    return (0...parts.count).reversed().map { ([mount] + parts.prefix($0)).joined(separator: "/") }
  }

  /// The time that a group leaves in each period, as a number of processors.
  private static func processors(_ folder: String, isSecond: Bool) -> Double? {
    let words =
      isSecond
      ? (MachineMemory.text(folder + "/cpu.max") ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
      : ["quota", "period"].map { "\(number(folder + "/cpu.cfs_\($0)_us") ?? -1)" }
    guard words.count == 2, let time = Double(words[0]), let period = Double(words[1]), time > 0, period > 0
    else {
      return nil
    }
    return time / period
  }

  private static func number(_ path: String) -> Int? {
    MachineMemory.text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private static func statistic(_ path: String, _ name: String) -> Int? {
    for line in (MachineMemory.text(path) ?? "").split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count == 2, parts[0] == name { return Int(parts[1]) }
    }
    return nil
  }
}
