import Foundation
import ModelFiles
import Support
import Transfer

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Fetches blobs into the cache: goes on where an earlier try ended, and gives the blob's name only to bytes of the
/// right digest.
final class BlobFetch {
  let client: HubClient
  let cache: HubCache
  let name: HubName
  let commit: String
  let stop: StopFlag
  /// Called with the change of the number of bytes that are there, negative when some are thrown away, and whether
  /// they came over the network.
  let onBytes: (Int, _ isNew: Bool) -> Void
  let onNote: (String) -> Void
  /// Whether the bytes may come from different files, so that a wrong digest does not prove a bad server.
  private var isDoubtful = false

  init(
    client: HubClient, cache: HubCache, name: HubName, commit: String, stop: StopFlag,
    onBytes: @escaping (Int, _ isNew: Bool) -> Void, onNote: @escaping (String) -> Void
  ) {
    self.client = client
    self.cache = cache
    self.name = name
    self.commit = commit
    self.stop = stop
    self.onBytes = onBytes
    self.onNote = onNote
  }

  /// Fetches a file unless its blob is there.
  func fetch(_ file: HubFile) throws(HubError) {
    let blob = cache.blob(file.digest, of: name)
    if HubCache.size(blob) == file.size {
      onBytes(file.size, false)
      return
    }
    let lock = try BlobLock(path: cache.lock(file.digest, of: name), stop: stop) { holder in
      onNote("\(file.path): found another program that is fetching it (\(holder)); waiting")
    }
    if HubCache.size(blob) == file.size {
      onBytes(file.size, false)
    } else {
      try download(file, to: blob)
    }
    _ = consume lock
  }

  private func download(_ file: HubFile, to blob: String) throws(HubError) {
    let part = try PartialBlob(path: blob + ".incomplete", file: file)
    onBytes(part.count, false)
    // Other programs write such files too, and not all of them check what they write.
    isDoubtful = part.count > 0
    while true {
      try receive(file, part)
      if part.matches() { break }
      guard isDoubtful else {
        try part.discard()
        onBytes(-file.size, true)
        throw HubError(
          .damaged, file: "\(name.repository)/\(file.path)", found: "\(file.size) bytes with another digest",
          expected: "the digest " + file.digest,
          advice: "Nothing of it was kept. Try again; if it stays so, the server or a proxy changes files.")
      }
      isDoubtful = false
      onNote("\(file.path): the parts are not of one file; from the start")
      onBytes(-part.count, true)
      try part.restart()
    }
    try part.publish(as: blob)
  }

  /// Fetches until the file has the size that the hub lists.
  private func receive(_ file: HubFile, _ part: PartialBlob) throws(HubError) {
    let place = "\(name.repository)/\(file.path)"
    let url = client.address(of: file, in: name, commit: commit)
    // The tag of the sending server: when it changes, the bytes may be of two versions.
    var tag: String?
    try client.patiently { () throws(HubError) -> HubClient.Attempt<Void> in
      if part.count == file.size { return .done(()) }
      let before = part.count
      let consumer = HubConnection.Consumer(
        head: { (head) throws(HubError) in
          try self.begin(file, part, head, place: place, tag: &tag)
        },
        body: { (bytes) throws(HubError) in
          guard bytes.byteCount <= file.size - part.count else {
            throw Self.lie(place, "more than the \(file.size) bytes that the hub lists", file)
          }
          try part.append(bytes)
          self.onBytes(bytes.byteCount, true)
        })
      let headers = part.count > 0 ? ["Range: bytes=\(part.count)-"] : []
      let answer = try client.exchange(url, headers: headers, consumer)
      try checkCommit(answer.hubHead, place)
      let made = part.count > before
      if part.count == file.size, answer.failure == nil || file.size > 0 { return .done(()) }
      if answer.head.status == 416 {
        // The bytes that are there are of another file.
        onBytes(-part.count, true)
        try part.restart()
      } else if answer.failure != nil || !(200..<300).contains(answer.head.status) {
        return try client.judge(answer, place: place, name: name, made: made)
      }
      let error = HubError(
        .unreachable, file: place, found: "\(part.count) of \(file.size) bytes, then the end",
        expected: "all of them",
        advice: "Give the same command again: it goes on from there.")
      return .again(error, after: nil, made: made)
    }
  }

  /// Checks the header before the body arrives: whether it is what was asked for, and where the body begins.
  private func begin(
    _ file: HubFile, _ part: PartialBlob, _ head: HTTPHead, place: String, tag: inout String?
  ) throws(HubError) {
    var start = 0
    if head.status == 206 {
      guard let range = head.contentRange, range.start == part.count, range.total ?? file.size == file.size
      else {
        throw Self.lie(place, "a part at " + quoted(head["content-range"] ?? "no place"), file)
      }
      start = range.start
    } else if let length = head.contentLength, length != file.size {
      throw Self.lie(place, "\(length) bytes", file)
    }
    let newTag = head["etag"]
    if start > 0, let tag, let newTag, tag != newTag { isDoubtful = true }
    tag = newTag
    if start == 0, part.count > 0 {
      // The server sends everything once more.
      onBytes(-part.count, true)
      try part.restart()
    }
  }

  private func checkCommit(_ head: HTTPHead, _ place: String) throws(HubError) {
    if let told = head["x-repo-commit"], told != commit {
      throw HubError(
        .badAnswer, file: place, found: "a file of commit \(quoted(told))", expected: "commit " + commit,
        advice: "Check HF_ENDPOINT.")
    }
  }

  private static func lie(_ place: String, _ found: String, _ file: HubFile) -> HubError {
    HubError(
      .damaged, file: place, found: found, expected: "\(file.size) bytes of " + file.digest,
      advice: "The server contradicts itself: check HF_ENDPOINT, or try later.")
  }
}
