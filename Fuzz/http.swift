import Glibc
import ModelFiles

extension RequestLimits {
  static let lowestTemperature = 0.01
}

/// Reads a request: its head up to the empty line, then its body as one of the kinds of requests, by the first byte.
///
/// A byte 0xFF and a number repeat the four bytes before them some thousand times, so that long runs are tried. None
/// may take longer than its length warrants.
func testHTTP(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard count > 0, let start else { return 0 }
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  let bytes = expanded(input.dropFirst())
  let began = processorSeconds()
  request(bytes, kind: input[0])
  precondition(processorSeconds() - began < 2, "a request of \(bytes.count) bytes took longer than two seconds")
  return 0
}

private func expanded(_ input: ArraySlice<UInt8>) -> [UInt8] {
  var bytes: [UInt8] = []
  var isCount = false
  for byte in input {
    if isCount {
      isCount = false
      let unit = Array(bytes.suffix(4))
      for _ in 0..<Int(byte) * 64 where bytes.count < 1 << 20 { bytes += unit }
    } else if byte == 0xFF {
      isCount = true
    } else {
      bytes.append(byte)
    }
  }
  return bytes
}

private func request(_ bytes: [UInt8], kind: UInt8) {
  let end = bytes.indices.first { bytes[$0...].starts(with: "\r\n\r\n".utf8) } ?? bytes.count
  let lines = String(decoding: bytes[..<end], as: UTF8.self).utf8.split(separator: 0x0A)
  let first = lines.first.map { $0.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) } } ?? []
  let headers = lines.dropFirst().map { line in
    let name = line.prefix { $0 != 0x3A }
    let value = line.dropFirst(name.count + 1).drop { $0 == 0x20 }.prefix { $0 != 0x0D }
    return (name: String(decoding: name, as: UTF8.self), value: String(decoding: value, as: UTF8.self))
  }
  let body = Array(bytes.dropFirst(end + 4))
  let target = first.count > 1 ? first[1] : "/"
  try? RequestHead.check(target: target, headers: headers, maxBodyBytes: 4 << 20)
  let request = ServerRequest(method: first.first ?? "GET", target: target, headers: headers, body: body)
  if let route = Route(path: request.path) { precondition(!route.label.isEmpty) }
  check(request)
  read(body, kind)
}

private func check(_ request: ServerRequest) {
  var gate = Gate()
  for isOpen in [false, true] {
    gate.apiKey = "key"
    gate.allowedHosts = isOpen ? ["*"] : ["tina.example"]
    gate.allowedOrigins = isOpen ? ["*"] : ["https://a.example"]
    try? gate.check(request, needsKey: true)
    for header in gate.crossOriginHeaders(request) + gate.preflight(request) {
      precondition(!header.1.utf8.contains(0x0A))
    }
  }
  for header in request.headers {
    _ = (Gate.isOrigin(header.value), Gate.isHost(header.value))
    _ = (ModelReference(header.value, base: "pico"), ListeningAddress.isLoopback(header.value))
  }
}

private func read(_ body: [UInt8], _ kind: UInt8) {
  do throws(ServingError) {
    var fields = try RequestFields(body: body)
    let limits = RequestLimits()
    switch kind % 3 {
    case 0:
      let chat = try ChatRequest(&fields, limits)
      precondition(chat.model.utf8.count <= RequestFields.wordBytes && !chat.messages.isEmpty)
      _ = ModelReference(chat.model, base: "pico")
    case 1:
      let text = try TextRequest(&fields, limits)
      precondition(!text.prompts.isEmpty)
    default:
      let response = try ResponsesRequest(&fields, limits)
      precondition(!response.messages.isEmpty)
    }
  } catch {
    precondition((400..<600).contains(error.status) && error.message.utf8.count < 4096)
  }
}
