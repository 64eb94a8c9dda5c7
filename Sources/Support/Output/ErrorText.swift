import Foundation

/// The words in which any error reaches a person. Errors of Foundation name their file and the system's reason, as ours
/// do.
package func errorText(_ error: any Error) -> String {
  guard isFoundation(error) else { return String(describing: error) }
  let path = paths(error).first
  let place = path.map { visible($0) + ": " } ?? ""
  return
    "\(place)found \(reason(error)); expected a file or folder that can be used. Check the path, its permissions"
    + " and the disk."
}

/// The system's reason for an error of Foundation, in a few words.
package func errorReason(_ error: any Error) -> String {
  isFoundation(error) ? reason(error) : errorText(error)
}

private func isFoundation(_ error: any Error) -> Bool {
  error is CocoaError || error is POSIXError || type(of: error) == NSError.self
}

private func paths(_ error: any Error) -> [String] {
  let info = (error as NSError).userInfo
  return [info["NSFilePath"] as? String, (info["NSURL"] as? URL)?.path].compactMap(\.self)
}

private func reason(_ error: any Error) -> String {
  let plain = error as NSError
  if let system = error as? POSIXError { return systemErrorText(system.code.rawValue) }
  if plain.domain == NSPOSIXErrorDomain { return systemErrorText(Int32(clamping: plain.code)) }
  if let inner = plain.userInfo[NSUnderlyingErrorKey] as? any Error { return reason(inner) }
  switch (error as? CocoaError)?.code {
  case .fileNoSuchFile?, .fileReadNoSuchFile?: return systemErrorText(ENOENT)
  case .fileReadNoPermission?, .fileWriteNoPermission?: return systemErrorText(EACCES)
  case .fileWriteOutOfSpace?: return systemErrorText(ENOSPC)
  case .fileWriteVolumeReadOnly?: return systemErrorText(EROFS)
  case .fileWriteFileExists?: return systemErrorText(EEXIST)
  case .fileReadTooLarge?: return systemErrorText(EFBIG)
  case .fileReadCorruptFile?, .fileReadInapplicableStringEncoding?: return "no UTF-8 text"
  default: return "an error of the system (number \(plain.code))"
  }
}
