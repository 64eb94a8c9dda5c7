import Foundation
import Support

/// Reads a file, or standard input, line by line, each line as soon as it is there.
final class LineReader {
  /// What errors call the file.
  let name: String
  private let handle: FileHandle
  /// Ends the reading, even while the lines' writer says nothing.
  var stop: StopFlag?
  private var buffer: [UInt8] = []
  private var start = 0
  private var atEnd = false
  /// The number of the line read last, from 1.
  private(set) var number = 0
  private static let longestLine = 64 << 20

  init(path: String) throws {
    if path == "-" {
      name = "standard input"
      handle = .standardInput
    } else {
      name = path
      let expanded = expandingTilde(path)
      guard let handle = FileHandle(forReadingAtPath: expanded) else {
        let reason = systemErrorText(errno)
        throw CommandError(
          "\(path): can't be opened (\(reason)): expected a file of JSON lines. Check the path.")
      }
      self.handle = handle
    }
  }

  /// The next line that is not blank, without its end; nil after the last.
  func next() throws -> [UInt8]? {
    while let line = try nextRaw() {
      number += 1
      if line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) { return line }
    }
    return nil
  }

  private func nextRaw() throws -> [UInt8]? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        defer { start = end + 1 }
        return Array(buffer[start..<end])
      }
      searched = buffer.count
      if atEnd {
        defer { start = buffer.count }
        return start < buffer.count ? Array(buffer[start...]) : nil
      }
      if start > 0 {
        buffer.removeSubrange(..<start)
        searched -= start
        start = 0
      }
      guard buffer.count < Self.longestLine else {
        throw CommandError(
          "\(name), line \(number + 1): longer than \(Self.longestLine >> 20) MiB: expected JSON lines.")
      }
      try fill()
    }
  }

  private func fill() throws {
    if let stop {
      var entry = pollfd(fd: handle.fileDescriptor, events: Int16(POLLIN), revents: 0)
      while unsafe poll(&entry, 1, 100) == 0, !stop.isSet {}
      if stop.isSet {
        atEnd = true
        return
      }
    }
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe chunk.withUnsafeMutableBytes {
      unsafe read(handle.fileDescriptor, $0.baseAddress, $0.count)
    }
    if count < 0 {
      if errno == EINTR { return }
      let reason = systemErrorText(errno)
      throw CommandError("\(name): can't be read (\(reason)): expected a file of JSON lines. Check the path.")
    }
    if count == 0 { atEnd = true } else { buffer.append(contentsOf: chunk[..<count]) }
  }
}
