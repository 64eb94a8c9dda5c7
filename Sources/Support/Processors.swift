import Foundation

/// The processors that this process may use.
package struct Processors: Sendable {
  /// How many threads should compute: as many as there are processors. Where a machine has fast and slow ones, as many
  /// as there are fast cores: a slow one would be waited for at the end of every step. Not more than the process's
  /// control group has time for.
  package let recommendedThreads: Int
  /// Whether there are fast and slow ones.
  package let isHybrid: Bool

  /// The machine's.
  package init() {
    #if os(Linux)
      self.init(
        system: "/sys", status: "/proc/self/status", timeLimit: ControlGroups().processors,
        fallback: ProcessInfo.processInfo.activeProcessorCount)
    #elseif canImport(Darwin)
      let all = ProcessInfo.processInfo.activeProcessorCount
      var levels: Int32 = 0
      var fast: Int32 = 0
      var size = MemoryLayout<Int32>.size
      let isKnown =
        unsafe sysctlbyname("hw.nperflevels", &levels, &size, nil, 0) == 0
        && sysctlbyname("hw.perflevel0.physicalcpu", &fast, &size, nil, 0) == 0
      isHybrid = isKnown && levels > 1
      recommendedThreads = isHybrid && fast > 0 ? min(Int(fast), all) : all
    #else
      recommendedThreads = ProcessInfo.processInfo.activeProcessorCount
      isHybrid = false
    #endif
  }

  /// Reads Linux's files.
  ///
  /// - Parameters:
  ///   - system: the folder that is usually `/sys`.
  ///   - status: the process's own, which says where it may run.
  ///   - timeLimit: processors whose time the control groups leave; nil without a limit.
  ///   - fallback: the number of processors, where `status` does not tell.
  init(system: String, status: String, timeLimit: Double?, fallback: Int) {
    let text = MachineMemory.text(status) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    let allowed = Self.list(line?.dropFirst("Cpus_allowed_list:".count).description)
    let fast = Self.fast(allowed, system)
    isHybrid = fast.count < allowed.count
    var count = allowed.isEmpty ? max(fallback, 1) : allowed.count
    if isHybrid {
      // Two threads of one core share its units.
      let folder = system + "/devices/system/cpu/cpu"
      let cores = fast.map { processor in
        let topology = folder + "\(processor)/topology/"
        return MachineMemory.text(topology + "core_cpus_list")
          ?? MachineMemory.text(topology + "thread_siblings_list") ?? "\(processor)"
      }
      count = Set(cores).count
    }
    if let timeLimit { count = min(count, max(Int(clamping: UInt(min(timeLimit.rounded(.up), 1e6))), 1)) }
    recommendedThreads = count
  }

  /// Those of `processors` that are fast; all, where none is told apart.
  private static func fast(_ processors: [Int], _ system: String) -> [Int] {
    // Intel's hybrids have a unit of counters for each kind of core, which lists its processors.
    if MachineMemory.text(system + "/devices/cpu_atom/cpus") != nil {
      let fast = Set(list(MachineMemory.text(system + "/devices/cpu_core/cpus")))
      let chosen = processors.filter(fast.contains)
      return chosen.isEmpty ? processors : chosen
    }
    // Arm's have capacities, of which the fastest has 1024. Some have a single core a little above other fast ones.
    let capacities = processors.map { processor in
      MachineMemory.text(system + "/devices/system/cpu/cpu\(processor)/cpu_capacity").flatMap {
        Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
      }
    }
    guard !capacities.contains(nil), let most = capacities.compactMap(\.self).max(), most > 0 else {
      return processors
    }
    return zip(processors, capacities).compactMap { processor, capacity in
      (capacity ?? 0) >= most - most / 3 ? processor : nil
    }
  }

  /// Reads a list of numbers: "0-3,8". Empty for anything else.
  static func list(_ text: String?) -> [Int] {
    var numbers: [Int] = []
    for part in (text ?? "").trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
        (0...65535).contains(first),
        (first...65535).contains(max(last, first)), last >= first
      else { return [] }
      numbers += first...last
      guard numbers.count <= 65536 else { return [] }
    }
    return numbers
  }
}
