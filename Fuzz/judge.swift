import ModelFiles

/// Answers of programs that judge: one finite number or nothing for each completion, or a refusal.
func testJudge(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let line = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  let began = processorSeconds()
  for expected in [0, 3] {
    do throws(JudgeError) {
      let values = try JudgeReply.values(line, batch: 7, count: expected)
      precondition(values.count == expected, "\(values.count) values of \(expected)")
      precondition(values.allSatisfy { $0.map { $0.isFinite } ?? true }, "a value that is not finite")
    } catch {
      // What is told of it steers no terminal and is short.
      let text = error.description
      precondition(text.utf8.count < 10_000, "an error of \(text.utf8.count) bytes")
      precondition(!text.utf8.contains { $0 < 0x20 || $0 == 0x7F }, "a control character in an error")
    }
  }
  precondition(processorSeconds() - began < 3, "an answer of \(count) bytes took seconds")
  return 0
}
