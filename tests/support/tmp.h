#ifndef TESTS_SUPPORT_TMP_H
#define TESTS_SUPPORT_TMP_H
/* A folder of its own for a test, gone afterwards. Any failure fails the test. */

/* New empty folder, absolute path; hand it to tmp_free. */
char *tmp_new(void);
/* Remove it with all in it. */
void tmp_free(char *dir);
/* dir + "/" + name, owned by the caller, free(). */
char *tmp_path(const char *dir, const char *name);
/* Write a text file in the folder and return its path, owned by the caller, free(). */
char *tmp_file(const char *dir, const char *name, const char *text);
/* Add to a text file in the folder; made if it is not there. */
void tmp_append(const char *dir, const char *name, const char *text);
#endif
