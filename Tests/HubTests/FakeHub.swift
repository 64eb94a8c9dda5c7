import Foundation
import Support
import Synchronization
import TestSupport

@testable import Hub

/// A hub on this machine that behaves like the real one, or misbehaves when told to. The API and small files are on one
/// port, large files behind a redirect to another, with ETags, ranges and tokens.
final class FakeHub: Sendable {
  struct File {
    let bytes: [UInt8]
    /// Whether it is behind the redirect.
    let isLarge: Bool

    init(_ bytes: [UInt8], isLarge: Bool = false) {
      self.bytes = bytes
      self.isLarge = isLarge
    }

    init(_ text: String) { self.init(Array(text.utf8)) }

    func listed(_ path: String) -> HubFile {
      let empty = HubFile(
        path: path, size: bytes.count, digest: String(repeating: "0", count: isLarge ? 64 : 40))
      var digest = empty.blobDigest()
      unsafe digest.update(bytes.span.bytes)
      return HubFile(path: path, size: bytes.count, digest: hexadecimal(digest.finish()))
    }
  }

  /// What goes wrong with one answer.
  enum Fault {
    case status(Int, [String: String] = [:])
    /// The connection ends after so many bytes of the body.
    case cut(after: Int)
    /// The same number of other bytes.
    case wrongBytes
    /// Ranges are ignored.
    case noRange
    /// Bytes without end, and no length.
    case endless
    case redirect(String)
    /// This body, of this type.
    case body([UInt8], [String: String] = [:])
    /// A header without end.
    case endlessHeader
    /// Another ETag than before.
    case newTag
  }

  struct Request {
    let port: UInt16
    let method: String
    /// Path and query.
    let target: String
    let headers: [String: String]
  }

  private struct State {
    var files: [String: File] = [:]
    var faults: [String: [Fault]] = [:]
    var requests: [Request] = []
    var token: String?
    var error: (status: Int, code: String)?
    var isStopped = false
    var pageSize = 1000
  }

  static let commit = "0123456789abcdef0123456789abcdef01234567"
  let name = "someone/tiny"
  let port: UInt16
  let cdnPort: UInt16
  private let sockets: [Int32]
  private let state = Mutex(State())

  init() throws {
    let (hub, hubPort) = try Socket.listen()
    let (cdn, cdnPort) = try Socket.listen()
    port = hubPort
    self.cdnPort = cdnPort
    sockets = [hub, cdn]
    for (socket, port) in [(hub, hubPort), (cdn, cdnPort)] {
      Thread.detachNewThread { [weak self] in
        while true {
          guard let connection = Socket.accept(socket) else { return }
          guard let hub = self else { return Socket.close(connection) }
          Thread.detachNewThread {
            hub.serve(connection, port)
            Socket.close(connection)
          }
        }
      }
    }
  }

  deinit {
    for socket in sockets { Socket.end(socket) }
  }

  // MARK: - What tests set and see

  subscript(path: String) -> File? {
    get { state.withLock { $0.files[path] } }
    set { state.withLock { $0.files[path] = newValue } }
  }

  /// Makes the next answers to a path (without the query) go wrong, one after another.
  func fail(_ path: String, _ faults: Fault...) { state.withLock { $0.faults[path, default: []] += faults } }

  /// The one token that is accepted.
  var token: String? {
    get { state.withLock { $0.token } }
    set { state.withLock { $0.token = newValue } }
  }
  /// Every answer of the API is this error.
  var error: (status: Int, code: String)? {
    get { state.withLock { $0.error } }
    set { state.withLock { $0.error = newValue } }
  }
  var pageSize: Int {
    get { state.withLock { $0.pageSize } }
    set { state.withLock { $0.pageSize = newValue } }
  }
  var requests: [Request] { state.withLock { $0.requests } }
  func forgetRequests() { state.withLock { $0.requests = [] } }

  func resolvePath(_ path: String) -> String { "/\(name)/resolve/\(Self.commit)/\(path)" }
  func listed(_ path: String) -> HubFile {
    self[path]?.listed(path) ?? HubFile(path: path, size: 0, digest: "")
  }

  // MARK: - Serving

  private func serve(_ connection: Int32, _ port: UInt16) {
    var buffer: [UInt8] = []
    while let request = read(connection, port, &buffer) {
      state.withLock { $0.requests.append(request) }
      guard answer(request, connection) else { return }
    }
  }

  private func read(_ connection: Int32, _ port: UInt16, _ buffer: inout [UInt8]) -> Request? {
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let range = buffer.firstRange(of: end) {
        guard let (words, headers) = Socket.head(buffer[..<range.lowerBound]) else { return nil }
        buffer.removeSubrange(..<range.upperBound)
        return Request(port: port, method: words[0], target: words[1], headers: headers)
      }
      guard let more = Socket.receive(connection), buffer.count < 1 << 16 else { return nil }
      buffer += more
    }
  }

  /// False ends the connection.
  private func answer(_ request: Request, _ connection: Int32) -> Bool {
    let path = request.target.split(separator: "?")[0].removingPercentEncoding ?? ""
    let fault = state.withLock { state -> Fault? in
      guard var faults = state.faults[path], !faults.isEmpty else { return nil }
      let first = faults.removeFirst()
      state.faults[path] = faults
      return first
    }
    switch fault {
    case .status(let status, let headers): return send(connection, status, headers, [])
    case .redirect(let target): return send(connection, 302, ["Location": target], [])
    case .body(let bytes, let headers): return send(connection, 200, headers, bytes)
    case .endlessHeader:
      var line = "HTTP/1.1 200 OK\r\n"
      while Socket.send(connection, Array(line.utf8)) {
        line = "X-Filler: \(String(repeating: "x", count: 1000))\r\n"
      }
      return false
    default: break
    }
    if request.port == cdnPort {
      guard path.hasPrefix("/cdn/"), let file = self[String(path.dropFirst(5))] else {
        return send(connection, 404, [:], [])
      }
      return sendFile(file, String(path.dropFirst(5)), request, connection, fault, [:])
    }
    return answerHub(path, request, connection, fault)
  }

  private func answerHub(_ path: String, _ request: Request, _ connection: Int32, _ fault: Fault?) -> Bool {
    if let error { return send(connection, error.status, ["X-Error-Code": error.code], []) }
    if let token, request.headers["authorization"] != "Bearer " + token {
      return send(connection, 401, ["X-Error-Code": "RepoNotFound"], [])
    }
    let api = "/api/models/\(name)/"
    if path.hasPrefix(api + "revision/") {
      let revision = path.dropFirst((api + "revision/").count)
      guard ["main", "v1.0", "refs/pr/1"].contains(revision) else {
        return send(connection, 404, ["X-Error-Code": "RevisionNotFound"], [])
      }
      let text = "{\"id\": \"\(name)\", \"siblings\": [{\"rfilename\": \"x\"}], \"sha\": \"\(Self.commit)\"}"
      return send(connection, 200, [:], Array(text.utf8))
    }
    if path == api + "tree/" + Self.commit || path.hasPrefix(api + "tree/" + Self.commit + "/") {
      return sendTree(String(path.dropFirst((api + "tree/" + Self.commit).count + 1)), request, connection)
    }
    let resolve = "/\(name)/resolve/\(Self.commit)/"
    guard path.hasPrefix(resolve), let file = self[String(path.dropFirst(resolve.count))] else {
      return send(
        connection, 404, ["X-Error-Code": path.hasPrefix(resolve) ? "EntryNotFound" : "RepoNotFound"], [])
    }
    let name = String(path.dropFirst(resolve.count))
    if file.isLarge {
      let encoded = name.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? name
      return send(
        connection, 302,
        [
          "Location": "http://127.0.0.1:\(cdnPort)/cdn/\(encoded)?signature=abc",
          "X-Repo-Commit": Self.commit,
          "X-Linked-Etag": "\"\(listed(name).digest)\"", "X-Linked-Size": "\(file.bytes.count)",
        ], Array("Found. Redirecting".utf8))
    }
    return sendFile(file, name, request, connection, fault, ["X-Repo-Commit": Self.commit])
  }

  private func sendTree(_ folder: String, _ request: Request, _ connection: Int32) -> Bool {
    let isDeep = request.target.contains("recursive=true")
    let prefix = folder.isEmpty ? "" : folder + "/"
    var entries: [String] = []
    var folders: Set<String> = []
    for (path, file) in state.withLock({ $0.files }).sorted(by: { $0.key < $1.key })
    where path.hasPrefix(prefix) {
      let parts = path.dropFirst(prefix.count).split(separator: "/")
      for i in 1..<max(parts.count, 1) {
        let inner = prefix + parts[..<i].joined(separator: "/")
        if isDeep || i == 1, folders.insert(inner).inserted {
          entries.append(
            #"{"type":"directory","oid":"\#(String(repeating: "d", count: 40))","size":0,"path":"\#(inner)"}"#
          )
        }
      }
      if parts.count > 1, !isDeep { continue }
      let listed = file.listed(path)
      entries.append(
        file.isLarge
          ? #"{"type":"file","oid":"\#(String(repeating: "a", count: 40))","size":\#(listed.size),"#
            + #""lfs":{"oid":"\#(listed.digest)","size":\#(listed.size),"pointerSize":130},"path":"\#(path)"}"#
          : #"{"type":"file","oid":"\#(listed.digest)","size":\#(listed.size),"path":"\#(path)"}"#)
    }
    if entries.isEmpty, !folder.isEmpty {
      return send(connection, 404, ["X-Error-Code": "EntryNotFound"], [])
    }
    let start =
      request.target.firstRange(of: "cursor=").flatMap { Int(request.target[$0.upperBound...]) } ?? 0
    let page = Array(entries.dropFirst(start).prefix(pageSize))
    var headers: [String: String] = [:]
    if start + page.count < entries.count {
      let path = request.target.split(separator: "?")[0]
      headers["Link"] =
        "<http://127.0.0.1:\(port)\(path)?recursive=\(isDeep)&cursor=\(start + page.count)>; rel=\"next\""
    }
    return send(connection, 200, headers, Array(("[" + page.joined(separator: ",") + "]").utf8))
  }

  private func sendFile(
    _ file: File, _ name: String, _ request: Request, _ connection: Int32, _ fault: Fault?,
    _ extra: [String: String]
  ) -> Bool {
    var headers = extra
    headers["ETag"] = "\"\(listed(name).digest)\""
    headers["Accept-Ranges"] = "bytes"
    var bytes = file.bytes
    var status = 200
    var cut: Int?
    switch fault {
    case .cut(let count): cut = count
    case .wrongBytes: bytes = bytes.map { $0 ^ 1 }
    case .newTag: headers["ETag"] = "\"another\""
    case .endless:
      guard Socket.send(connection, Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8)) else {
        return false
      }
      let filler = [UInt8](repeating: 1, count: 1 << 16)
      while Socket.send(connection, filler) {}
      return false
    default: break
    }
    if let range = request.headers["range"], range.hasPrefix("bytes="), range.hasSuffix("-"),
      let start = Int(range.dropFirst(6).dropLast())
    {
      if case .noRange = fault {
      } else if start >= bytes.count {
        return send(connection, 416, ["Content-Range": "bytes */\(bytes.count)"], [])
      } else {
        status = 206
        headers["Content-Range"] = "bytes \(start)-\(bytes.count - 1)/\(bytes.count)"
        bytes = Array(bytes[start...])
      }
    }
    if let cut {
      headers["Content-Length"] = "\(bytes.count)"
      _ = sendHead(connection, status, headers) && Socket.send(connection, Array(bytes.prefix(cut)))
      return false
    }
    return send(connection, status, headers, bytes)
  }

  private func send(_ connection: Int32, _ status: Int, _ headers: [String: String], _ body: [UInt8]) -> Bool
  {
    var headers = headers
    headers["Content-Length"] = "\(body.count)"
    return sendHead(connection, status, headers) && Socket.send(connection, body)
  }

  private func sendHead(_ connection: Int32, _ status: Int, _ headers: [String: String]) -> Bool {
    let lines = headers.map { "\($0.key): \($0.value)\r\n" }.sorted().joined()
    return Socket.send(connection, Array("HTTP/1.1 \(status) Whatever\r\n\(lines)\r\n".utf8))
  }
}
