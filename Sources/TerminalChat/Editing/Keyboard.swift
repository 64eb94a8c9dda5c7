import CEdit
import Foundation
import Support

/// What is typed on a terminal, byte by byte. Another thread can wake whoever waits for it.
final class Keyboard: Sendable {
  enum Event {
    case byte(UInt8)
    /// There is nothing more to come.
    case end
    case woken(Wake)
  }

  /// Why a wait ends without a key.
  enum Wake: UInt8 {
    /// Ctrl-C.
    case interrupt = 1
    /// The terminal has another size, or is this program's again.
    case change = 2
  }

  private let input: Int32
  /// The reading and the writing end of a pipe.
  private let wakes: (read: Int32, write: Int32)
  /// What was read and not yet asked for.
  private let held = Locked(Held())
  private struct Held: Sendable {
    var bytes: ArraySlice<UInt8> = []
    var atEnd = false
  }
  private let watch = Locked<Watch?>(nil)
  private struct Watch: @unchecked Sendable { let source: any DispatchSourceRead }
  private static let queue = DispatchQueue(label: "tina keyboard")

  init(input: Int32 = STDIN_FILENO) {
    self.input = input
    var ends: [Int32] = [-1, -1]
    unsafe pipe(&ends)
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    wakes = (ends[0], ends[1])
  }

  deinit {
    close(wakes.read)
    close(wakes.write)
  }

  /// Ends a wait, now or as soon as there is one.
  func wake(_ reason: Wake) {
    var byte = reason.rawValue
    _ = unsafe write(wakes.write, &byte, 1)
  }

  /// Wakes whoever waits when the terminal changes.
  func watchTerminal() { ce_watch(wakes.write) }

  /// Waits for the next byte.
  func next() -> Event {
    while true {
      let byte = held.withLock { held -> Event? in
        if let byte = held.bytes.popFirst() { return .byte(byte) }
        return held.atEnd ? .end : nil
      }
      var reason: UInt8 = 0
      if unsafe read(wakes.read, &reason, 1) == 1, let wake = Wake(rawValue: reason) { return .woken(wake) }
      if let byte { return byte }
      var entries = [
        pollfd(fd: input, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wakes.read, events: Int16(POLLIN), revents: 0),
      ]
      guard unsafe poll(&entries, 2, -1) > 0, entries[0].revents != 0 else { continue }
      fill()
    }
  }

  /// The next character of UTF-8; U+FFFD for what is none.
  func nextScalar() -> (scalar: Unicode.Scalar?, event: Event) {
    let first = next()
    guard case .byte(let lead) = first else { return (nil, first) }
    var bytes = [lead]
    let count = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1
    while bytes.count < count {
      let event = next()
      guard case .byte(let byte) = event else { return (nil, event) }
      bytes.append(byte)
    }
    return (String(decoding: bytes, as: UTF8.self).unicodeScalars.first, first)
  }

  /// Begins to read what is typed although nobody asks for it: a terminal that nobody reads takes 4,096 bytes, and then
  /// not even Ctrl-C.
  func collect() {
    let source = DispatchSource.makeReadSource(fileDescriptor: input, queue: Self.queue)
    source.setEventHandler { [self] in if !fill() { source.cancel() } }
    source.resume()
    watch.withLock { $0 = Watch(source: source) }
  }

  /// Ends what ``collect()`` began.
  func stopCollecting() {
    guard let watch = watch.withLock({ watch in (watch, watch = nil).0 }) else { return }
    watch.source.cancel()
    Self.queue.sync {}
  }

  /// Throws away what was typed ahead.
  func forget() { held.withLock { $0.bytes = [] } }

  /// Reads what is there. False at the end.
  @discardableResult
  private func fill() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(input, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR || errno == EAGAIN { return true }
    return held.withLock { held in
      if count > 0 { held.bytes += chunk[..<count] } else { held.atEnd = true }
      return count > 0
    }
  }
}
