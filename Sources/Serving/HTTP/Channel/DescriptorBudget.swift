import Foundation

#if canImport(Musl)
  import Musl
#endif

/// How many connections the system's limit on open files has room for.
struct DescriptorBudget: Equatable {
  /// Descriptors that are kept free for adapters, the system's tables and connections that are about to be refused.
  static let reserve = 64
  /// Connections above the limit that are told to come back.
  static let extra = 32

  /// The most connections at once.
  let connections: Int
  /// What the operator should know; nil when there is room for all that is wanted.
  let note: String?

  /// - Parameters:
  ///   - wanted: connections.
  ///   - soft: the limit on open files as it is.
  ///   - held: descriptors that are open already.
  init(wanted: Int, soft: Int, held: Int) {
    let room = max(soft - held - Self.reserve - Self.extra, 1)
    connections = min(wanted, room)
    note =
      room < wanted
      ? "the system lets this process open \(soft) files: at most \(room) connections at once instead of \(wanted)."
        + " Raise the limit (ulimit -n, or LimitNOFILE= of systemd) for more."
      : nil
  }

  /// Raises the process's own limit as far as that is needed and allowed, and divides it.
  init(wanted: Int) {
    let held = Self.held
    let needed = wanted + held + Self.reserve + Self.extra
    self.init(wanted: wanted, soft: Self.raiseLimit(to: needed), held: held)
  }

  /// Descriptors that are open.
  private static var held: Int {
    #if os(Linux)
      if let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
        return names.count
      }
    #endif
    return (0..<1024).count { fcntl($0, F_GETFD) != -1 }
  }

  /// The soft limit on open files, raised towards `wanted` where the hard one lets it.
  private static func raiseLimit(to wanted: Int) -> Int {
    #if os(Linux) && canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else { return 256 }
    let (soft, hard) = (Int(clamping: limit.rlim_cur), Int(clamping: limit.rlim_max))
    guard soft < wanted, soft < hard else { return soft }
    let raised = min(wanted, hard)
    limit.rlim_cur = rlim_t(raised)
    return unsafe setrlimit(resource, &limit) == 0 ? raised : soft
  }
}
