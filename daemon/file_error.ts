/** What a failed operation on a file says, in a few words and without the path, which the caller names. */
export function fileErrorReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.AlreadyExists) return "it is no directory";
  // "Read-only file system (os error 30): mkdir …"
  const [state] = (error as Error).message.split(" (os error");
  return state!.charAt(0).toLowerCase() + state!.slice(1);
}
