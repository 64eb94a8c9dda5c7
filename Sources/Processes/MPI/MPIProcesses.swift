import CMPI
import Foundation
import ModelFiles
import Support

/// The processes that Open MPI's launcher has started.
package final class MPIProcesses: ProcessGroup {
  private let names: [String]
  /// Numbers of the processes that run on this host, by rank.
  private let neighbours: [(rank: Int, process: Int32)]
  /// One call at a time.
  private let lock = NSLock()

  package let count: Int
  package let rank: Int
  /// Number of processes on this host.
  package var countOnHost: Int { neighbours.count }
  /// What the library calls itself.
  package let library: String

  /// The processes that were started together with this one. Nil where no launcher started it.
  ///
  /// - Parameter program: what the program is; that of all processes must be the same.
  /// - Throws: ``ProcessError`` when Open MPI can't be opened, or the processes are of different programs.
  package static func join(
    _ environment: [String: String] = ProcessInfo.processInfo.environment, program: String
  ) throws -> MPIProcesses? {
    switch try Launch(environment) {
    case .alone: return nil
    case .openMPI: break
    }
    if let why = unsafe cm_start() {
      throw ProcessError(
        .launch, place: "MPI", found: unsafe String(cString: why), expected: "Open MPI 4 or 5",
        advice: "Install it: on Debian and Ubuntu apt-get install openmpi-bin. On a cluster, load its module."
      )
    }
    let processes = try MPIProcesses()
    joined.withLock { $0 = processes }
    try processes.compare(
      [("program", program)], advice: "Install the same version on every machine.")
    return processes
  }

  private static let joined = Locked<MPIProcesses?>(nil)

  /// The processes that this one has joined; nil when it is alone.
  package static var current: MPIProcesses? { joined.withLock { $0 } }

  private init() throws(ProcessError) {
    (count, rank) = (Int(cm_size()), Int(cm_rank()))
    library = unsafe String(cString: cm_library())
    var hostBytes = [CChar](repeating: 0, count: 256)
    let host =
      unsafe gethostname(&hostBytes, hostBytes.count - 1) == 0
      ? String(decoding: hostBytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      : "an unnamed host"
    let mine = Message { message in
      message.add(host)
      message.add(Int(getpid()))
    }
    var names: [String] = []
    var neighbours: [(rank: Int, process: Int32)] = []
    for (rank, bytes) in try Self.gather(mine.bytes, count: count, rank: rank).enumerated() {
      var reader = MessageReader(bytes)
      let (name, process) = (try reader.text(), try reader.int())
      names.append("rank \(rank) of \(count) on \(visible(name))")
      if name == host { neighbours.append((rank, Int32(truncatingIfNeeded: process))) }
    }
    (self.names, self.neighbours) = (names, neighbours)
  }

  package var traffic: (bytes: Int, seconds: Double) { (Int(clamping: cm_sent_bytes()), cm_seconds()) }

  package func name(of rank: Int) -> String { names[rank] }

  package func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try lock.withLock { try Self.gather(bytes, count: count, rank: rank) }
  }

  private static func gather(_ bytes: [UInt8], count: Int, rank: Int) throws(ProcessError) -> [[UInt8]] {
    var sizes = [UInt64](repeating: 0, count: count)
    try check(unsafe cm_gather_word(UInt64(bytes.count), &sizes))
    let total = sizes.reduce(UInt64(0)) { $0.addingReportingOverflow($1).partialValue }
    // MPI counts in 32 bits.
    guard total < UInt64(Int32.max) else {
      throw ProcessError(
        .exchange, place: "MPI", found: "\(total) bytes at once", expected: "less than 2 GB",
        advice: "Lower max_completion_length or the completions of a step.")
    }
    var all = [UInt8](repeating: 0, count: Int(total))
    try check(unsafe cm_gather(bytes, sizes.map { Int32($0) }, &all))
    var start = 0
    return sizes.map { size in
      defer { start += Int(size) }
      return Array(all[start..<start + Int(size)])
    }
  }

  @unsafe package func spread(_ memory: UnsafeMutableRawBufferPointer) throws {
    guard let start = memory.baseAddress else { return }
    try lock.withLock { try Self.check(unsafe cm_spread(start, memory.count)) }
  }

  @unsafe package func add(
    _ part: UnsafeMutableBufferPointer<Float>, parts: Int, to sum: UnsafeMutableBufferPointer<Float>
  ) throws {
    precondition(part.count == sum.count)
    guard let from = part.baseAddress, let to = sum.baseAddress else { return }
    try lock.withLock { try Self.check(unsafe cm_add(from, Int32(parts), to, sum.count)) }
  }

  @unsafe package func complete(_ sum: UnsafeMutableBufferPointer<Float>) throws {
    guard let start = sum.baseAddress else { return }
    try lock.withLock { try Self.check(unsafe cm_complete(start, sum.count)) }
  }

  private static func check(_ code: Int32) throws(ProcessError) {
    guard code != 0 else { return }
    throw ProcessError(
      .exchange, place: "MPI", found: unsafe String(cString: cm_error(code)),
      expected: "an exchange with all processes",
      advice: "A process or the network is gone. Start the same command again; it goes on where it was saved."
    )
  }

  // MARK: The end

  /// Leaves, together with all others. Nothing may be exchanged afterwards.
  package func leave() { lock.withLock { cm_finish() } }

  /// Ends all processes at once.
  package func abort(_ code: Int32) { cm_abort(code) }

  /// What to tell when a launcher ends this process: which process of this host is gone. Nil where another process
  /// tells it, or none is gone.
  package var lostProcess: String? {
    let gone = neighbours.filter { kill($0.process, 0) != 0 && errno == ESRCH }
    guard let lost = gone.first, let first = neighbours.first(where: { kill($0.process, 0) == 0 }),
      first.rank == rank
    else { return nil }
    return "\(names[lost.rank]) (process \(lost.process)) is gone, and ends the others"
  }
}
