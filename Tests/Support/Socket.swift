import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// TCP on this machine.
package enum Socket {
  #if canImport(Darwin)
    private static let stream = SOCK_STREAM
    private static let flags: Int32 = 0
  #else
    private static let stream = Int32(SOCK_STREAM.rawValue)
    // A reader that has gone must not end the process.
    private static let flags = Int32(MSG_NOSIGNAL)
  #endif

  /// The words of a request's first line, and its header by lower-case names; nil for what is no request.
  package static func head(_ bytes: some Sequence<UInt8>) -> (words: [String], headers: [String: String])? {
    let lines = String(decoding: Array(bytes), as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ").map(String.init)
    guard words.count == 3 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let pair = line.split(separator: ":", maxSplits: 1).map(String.init)
      if pair.count == 2 { headers[pair[0].lowercased()] = pair[1].trimmingCharacters(in: .whitespaces) }
    }
    return (words, headers)
  }

  /// Listens on a free port of the loopback.
  package static func listen() throws -> (socket: Int32, port: UInt16) {
    let socket = socket(AF_INET, stream, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(socket, address, size) == 0 && systemListen(socket) == 0
          && getsockname(socket, address, &size) == 0
      }
    }
    guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
    return (socket, UInt16(bigEndian: address.sin_port))
  }

  /// The next connection; nil when there will be none.
  package static func accept(_ socket: Int32) -> Int32? {
    let connection = systemAccept(socket)
    if connection < 0 { return nil }
    var yes: Int32 = 1
    unsafe setsockopt(connection, Int32(IPPROTO_TCP), Int32(TCP_NODELAY), &yes, 4)
    return connection
  }

  /// What comes next; nil at the end.
  package static func receive(_ connection: Int32) -> [UInt8]? {
    var chunk = [UInt8](repeating: 0, count: 4096)
    let got = unsafe chunk.withUnsafeMutableBytes { unsafe recv(connection, $0.baseAddress, $0.count, 0) }
    return got > 0 ? Array(chunk[..<got]) : nil
  }

  /// Sends everything; false if the reader has gone.
  package static func send(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
    var done = 0
    while done < bytes.count {
      let sent = unsafe bytes.withUnsafeBytes { all in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[done...])
        return unsafe systemSend(connection, rest, flags)
      }
      if sent <= 0 { return false }
      done += sent
    }
    return true
  }

  package static func close(_ socket: Int32) { _ = shutdown(socket, Int32(SHUT_RDWR)) + systemClose(socket) }

  /// Ends listening: whoever waits in ``accept(_:)`` goes on.
  package static func end(_ socket: Int32) { close(socket) }
}

// The system's calls, whose names the methods above hide.
private func systemListen(_ socket: Int32) -> Int32 { listen(socket, 64) }
private func systemAccept(_ socket: Int32) -> Int32 { accept(socket, nil, nil) }
private func systemSend(_ connection: Int32, _ bytes: UnsafeRawBufferPointer, _ flags: Int32) -> Int {
  unsafe send(connection, bytes.baseAddress, bytes.count, flags)
}
private func systemClose(_ socket: Int32) -> Int32 { close(socket) }
