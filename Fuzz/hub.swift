import ModelFiles

/// Reads a hub's answer: the description of a revision, a list of files, a header or a redirect, by the input's first
/// byte. Then chooses files from it.
func testHub(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard count > 0, let start else { return 0 }
  let bytes = [UInt8](UnsafeRawBufferPointer(start: start + 1, count: count - 1))
  switch start[0] % 4 {
  case 0:
    if let commit = try? HubAnswer(bytes, url: "hub").commit() { precondition(commit.utf8.count == 40) }
  case 1: list(bytes)
  case 2: header(String(decoding: bytes, as: UTF8.self))
  default: address(String(decoding: bytes, as: UTF8.self))
  }
  return 0
}

private func list(_ bytes: [UInt8]) {
  guard let entries = try? HubAnswer(bytes, url: "hub").entries(of: "") else { return }
  for (path, file) in entries {
    precondition(!path.hasPrefix("/") && !path.split(separator: "/").contains(".."))
    precondition(file.map { $0.size >= 0 && [40, 64].contains($0.digest.utf8.count) } ?? true)
  }
  let listing = HubListing(
    commit: String(repeating: "0", count: 40), files: entries.compactMap(\.file),
    folders: entries.filter { $0.file == nil }.map(\.path))
  for text in ["a/b", "a/b/checkpoint-1", "a/b/x.gguf"] {
    guard let name = try? HubName(text) else { preconditionFailure() }
    for want in [HubWant.model, .adapter, .either, .description, .all] {
      do throws(HubError) {
        let selection = try HubSelection(listing, of: name, want: want)
        precondition(!selection.files.isEmpty || want == .all)
      } catch {
        precondition(!error.description.isEmpty)
      }
    }
    _ = try? HubSelection(listing, of: name, want: .either, include: ["*a*?*.b*"], exclude: ["*c*"])
  }
}

private func header(_ text: String) {
  var head = HTTPHead()
  for line in text.split(separator: "\n", omittingEmptySubsequences: false) { _ = head.take(String(line)) }
  _ = (head.contentRange, head.contentLength, head.isRedirect)
}

private func address(_ text: String) {
  if let name = try? HubName(text) {
    precondition(!name.path.split(separator: "/").contains("..") && !name.repository.contains(".."))
  }
  guard let base = WebAddress("https://a.b:8443/c/d?e"), let target = base.resolving(text) else { return }
  precondition(target.path.hasPrefix("/") && !target.host.isEmpty)
  // Read again, it leads to the same place.
  precondition(WebAddress(target.text) == target)
}
