/* The calls themselves, in loops of C: what no binding can beat. benches/limits.py compiles this and calls it by ctypes.
   Each function gives 0, or the errno that ended it. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

enum { BATCH = 64, ROOM = 65536 };

/* send(2) of `size` bytes to one end and recv(2) into `room` at the other, `times` times. */
int send_recv(int left, int right, size_t size, size_t room, int times)
{
    static char out[ROOM], in[ROOM];
    if (size > ROOM || room > ROOM)
        return EINVAL;
    while (times--) {
        if (send(left, out, size, 0) < 0)
            return errno;
        if (recv(right, in, room, 0) < 0)
            return errno;
    }
    return 0;
}

/* Fills `count` headers, each with a buffer of `size` bytes of its own. */
static void lay_out(struct mmsghdr *headers, struct iovec *parts, struct sockaddr_storage *names, char *room, int count,
                    size_t size)
{
    memset(headers, 0, sizeof(*headers) * count);
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){ room + i * size, size };
        headers[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
        if (names) {
            headers[i].msg_hdr.msg_name = &names[i];
            headers[i].msg_hdr.msg_namelen = sizeof(names[i]);
        }
    }
}

/* sendmmsg(2) of `count` datagrams of `size` bytes to the connected peer. */
int send_batch(int fd, int count, size_t size)
{
    static char data[BATCH * 2048];
    struct mmsghdr headers[BATCH];
    struct iovec parts[BATCH];
    if (count > BATCH || size > 2048)
        return EINVAL;
    lay_out(headers, parts, NULL, data, count, size);
    for (int sent = 0; sent < count;) {
        int n = sendmmsg(fd, headers + sent, count - sent, 0);
        if (n < 0)
            return errno;
        sent += n;
    }
    return 0;
}

/* recvmmsg(2) of `count` datagrams with their senders, each into `size` bytes. */
int recv_batch(int fd, int count, size_t size)
{
    static char data[BATCH * 2048];
    static struct sockaddr_storage names[BATCH];
    struct mmsghdr headers[BATCH];
    struct iovec parts[BATCH];
    if (count > BATCH || size > 2048)
        return EINVAL;
    for (int came = 0; came < count;) {
        lay_out(headers, parts, names, data, count - came, size);
        int n = recvmmsg(fd, headers, count - came, MSG_WAITFORONE, NULL);
        if (n < 0)
            return errno;
        came += n;
    }
    return 0;
}

/* One send that the kernel cuts into segments of `segment` bytes (UDP_SEGMENT, udp(7)). */
int send_segments(int fd, const char *data, size_t size, uint16_t segment)
{
    char control[CMSG_SPACE(sizeof(segment))] = { 0 };
    struct iovec part = { (void *)data, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(header), &segment, sizeof(segment));
    return sendmsg(fd, &message, 0) < 0 ? errno : 0;
}

/* recvmmsg(2) of datagrams that the kernel joined (UDP_GRO), until `total` bytes came; the joined ones are counted. */
int recv_joined(int fd, int count, size_t total)
{
    static char data[8 * ROOM];
    static struct sockaddr_storage names[8];
    static char controls[8][64];
    struct mmsghdr headers[8];
    struct iovec parts[8];
    if (count > 8)
        return EINVAL;
    for (size_t came = 0; came < total;) {
        lay_out(headers, parts, names, data, count, ROOM);
        for (int i = 0; i < count; i++) {
            headers[i].msg_hdr.msg_control = controls[i];
            headers[i].msg_hdr.msg_controllen = sizeof(controls[i]);
        }
        int n = recvmmsg(fd, headers, count, MSG_WAITFORONE, NULL);
        if (n < 0)
            return errno;
        for (int i = 0; i < n; i++) {
            struct cmsghdr *header = CMSG_FIRSTHDR(&headers[i].msg_hdr);
            int segment = header ? *(int *)CMSG_DATA(header) : (int)headers[i].msg_len;
            if (segment <= 0)
                return EINVAL;
            came += headers[i].msg_len;
        }
    }
    return 0;
}

/* The same as send_segments for data that lies in `count` places. */
int send_pieces(int fd, int count, uint16_t segment)
{
    static char data[BATCH][2 * 2048];
    char control[CMSG_SPACE(sizeof(segment))] = { 0 };
    struct iovec parts[BATCH];
    if (count > BATCH || segment > 2048)
        return EINVAL;
    for (int i = 0; i < count; i++)
        parts[i] = (struct iovec){ data[i], segment };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = count, .msg_control = control, .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(header), &segment, sizeof(segment));
    return sendmsg(fd, &message, 0) < 0 ? errno : 0;
}
