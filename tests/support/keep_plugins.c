/* Plugins stay mapped, so that the sanitizers can name the frames of what they leaked; in no build but the sanitized one. */
__attribute__((visibility("default"))) int dlclose(void *handle);

int dlclose(void *handle)
{
  (void)handle;
  return 0;
}
